"""Uploads: whole on the disk, or not at all."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from yt_text import spool
from yt_text.errors import IntakeError, Reason, RequestError, YtTextError
from yt_text.intake.uploads import UploadLimits, UploadWriter

LIMITS = UploadLimits(max_bytes=10_000_000, min_free_disk_bytes=0)


@pytest.mark.parametrize("size", [1, 100, (1 << 20) - 1, 1 << 20, 3_333_333])
@pytest.mark.parametrize("announced", [True, False])
async def test_an_upload_becomes_a_complete_spool(tmp_path: Path, size: int, announced: bool) -> None:
    data = os.urandom(size)
    async with UploadWriter(tmp_path / "media", size if announced else 0, LIMITS) as upload:
        for start in range(0, size, 70_000):
            await upload.write(data[start : start + 70_000])
        assert not spool.is_complete(tmp_path / "media")
        stored = await upload.finish()
    assert (stored.size_bytes, stored.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert spool.is_complete(tmp_path / "media")
    assert (tmp_path / "media").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["media", "media.state"]


async def failing(tmp_path: Path, data: bytes, size_bytes: int, limits: UploadLimits = LIMITS) -> YtTextError:
    """Uploads what is refused; returns the error."""

    async def send() -> None:
        async with UploadWriter(tmp_path / "media", size_bytes, limits) as upload:
            for start in range(0, len(data), 50_000):
                await upload.write(data[start : start + 50_000])
            await upload.finish()

    with pytest.raises(YtTextError) as caught:
        await send()
    assert list(tmp_path.iterdir()) == [], "nothing is left"
    return caught.value


async def test_an_upload_that_ends_early_is_refused(tmp_path: Path) -> None:
    error = await failing(tmp_path, bytes(2_000_000), 2_000_001)
    assert isinstance(error, RequestError)
    assert error.reason is Reason.UPLOAD_INCOMPLETE
    assert "2000000 of 2000001" in error.message


async def test_an_upload_longer_than_announced_is_refused(tmp_path: Path) -> None:
    assert (await failing(tmp_path, bytes(100), 99)).reason is Reason.UPLOAD_INCOMPLETE


async def test_an_upload_announced_too_large_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    error = await failing(tmp_path, b"", LIMITS.max_bytes + 1)
    assert error.reason is Reason.UPLOAD_TOO_LARGE
    assert error.metadata == {"max_bytes": "10000000"}


async def test_an_upload_that_turns_out_too_large_is_refused(tmp_path: Path) -> None:
    error = await failing(tmp_path, bytes(3_000_001), 0, UploadLimits(3_000_000, 0))
    assert error.reason is Reason.UPLOAD_TOO_LARGE


async def test_an_empty_upload_is_refused(tmp_path: Path) -> None:
    assert (await failing(tmp_path, b"", 0)).reason is Reason.RECORDING_EMPTY


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_a_disk_without_room_is_told(tmp_path: Path, size: int) -> None:
    error = await failing(tmp_path, bytes(size), size, UploadLimits(10_000_000, 1 << 60))
    assert isinstance(error, IntakeError)
    assert (error.reason, error.retryable) == (Reason.DISK_FULL, True)


async def test_an_upload_that_is_left_leaves_nothing(tmp_path: Path) -> None:
    async with UploadWriter(tmp_path / "media", 0, LIMITS) as upload:
        await upload.write(bytes(3_000_000))
        assert list(tmp_path.iterdir()) != []
    assert list(tmp_path.iterdir()) == []


async def test_an_upload_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def send() -> None:
        async with UploadWriter(tmp_path / "media", 0, UploadLimits(1 << 40, 0)) as upload:
            while True:
                await upload.write(bytes(1 << 20))

    for wait_s in (0, 0.01, 0.05, 0.1):
        task = asyncio.create_task(send())
        await asyncio.sleep(wait_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(tmp_path.iterdir()) == []


async def test_uploads_do_not_disturb_each_other(tmp_path: Path) -> None:
    async def send(number: int) -> str:
        async with UploadWriter(tmp_path / f"{number}", 0, LIMITS) as upload:
            for _ in range(30):
                await upload.write(bytes([number]) * 100_000)
            return (await upload.finish()).sha256

    sums = await asyncio.gather(*(send(number) for number in range(5)))
    assert sums == [hashlib.sha256(bytes([number]) * 3_000_000).hexdigest() for number in range(5)]
