import asyncio
import hashlib
import io
import random
import threading
import time
from pathlib import Path

import pytest

from clients.python.tests.scripted import ScriptedServer, until
from clients.python.tests.wire import wired
from yt_text.v1 import job_pb2
from yt_text_client import Client, DeadlineExceeded, RequestError, ResourceExhausted, Unavailable

PIECE = 256 << 10


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 77])
async def test_a_file_arrives_whole_with_its_name_and_progress(
    client: Client, server: ScriptedServer, tmp_path: Path, size: int
) -> None:
    content = random.Random(size).randbytes(size)
    path = tmp_path / "vögel & co.flac"
    path.write_bytes(content)
    steps: list[tuple[int, int]] = []
    media = await client.upload(path, on_progress=lambda sent, total: steps.append((sent, total)))
    assert server.service.media[media.id] == content
    assert (media.filename, media.size_bytes) == ("vögel & co.flac", size)
    assert media.sha256 == hashlib.sha256(content).hexdigest()
    assert [sent for sent, _ in steps] == [min(n * PIECE, size) for n in range(1, len(steps) + 1)]
    assert steps[-1] == (size, size)


async def test_an_empty_file_is_sent_as_such(client: Client, server: ScriptedServer) -> None:
    media = await client.upload(io.BytesIO(), filename="nothing.wav")
    assert (media.size_bytes, server.service.media[media.id]) == (0, b"")


async def test_an_open_file_is_sent_from_where_it_stands_and_left_open(client: Client, server: ScriptedServer) -> None:
    file = io.BytesIO(b"header" + b"sound" * 1000)
    file.seek(6)
    media = await client.upload(file)
    assert server.service.media[media.id] == b"sound" * 1000
    assert media.filename == "recording"
    assert not file.closed


async def test_bytes_that_are_added_while_it_is_sent_stay_out(client: Client, server: ScriptedServer) -> None:
    class Growing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            here = self.tell()
            self.seek(0, io.SEEK_END)
            self.write(b"more")
            self.seek(here)
            return super().read(size)

    media = await client.upload(Growing(b"x" * (PIECE + 10)), filename="grows")
    assert server.service.media[media.id] == b"x" * (PIECE + 10)


async def test_a_file_that_shrinks_is_refused_by_the_service(client: Client, server: ScriptedServer) -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return b"" if self.tell() else super().read(size)

    with pytest.raises(RequestError) as caught:
        await client.upload(Shrinking(b"x" * (3 * PIECE)), filename="shrinks")
    assert caught.value.reason == "UPLOAD_INCOMPLETE"
    assert server.service.media == {}


async def test_a_file_that_is_not_there_is_an_os_error(client: Client, server: ScriptedServer) -> None:
    with pytest.raises(FileNotFoundError):
        await client.upload(Path("/nonexistent/recording.wav"))
    assert server.service.calls == []


async def test_a_file_that_breaks_while_it_is_read_is_an_os_error(client: Client) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > PIECE:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output") as caught:
        await client.upload(Broken(b"x" * (4 * PIECE)), filename="broken")
    assert caught.type is OSError
    assert await client.list_engines()


async def test_an_error_of_the_progress_function_comes_out_as_it_is(client: Client) -> None:
    def on_progress(sent: int, total: int) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await client.upload(io.BytesIO(b"x" * PIECE), on_progress=on_progress)


async def test_a_refusal_in_the_middle_is_told_as_the_service_says_it(client: Client, server: ScriptedServer) -> None:
    server.service.upload_limit_bytes = PIECE
    with pytest.raises(ResourceExhausted) as caught:
        await client.upload(io.BytesIO(bytes(200 * PIECE)), filename="large")
    assert caught.value.reason == "UPLOAD_TOO_LARGE"
    assert await client.list_engines()


async def test_an_upload_that_no_longer_moves_is_given_up(server: ScriptedServer) -> None:
    server.service.take_upload.clear()
    async with Client(server.target, timeout_s=1) as client, asyncio.timeout(100):
        with pytest.raises(DeadlineExceeded):
            await client.upload(io.BytesIO(bytes(200 * PIECE)), filename="slow")
    server.service.take_upload.set()


async def test_a_slow_upload_that_moves_is_not_given_up(server: ScriptedServer) -> None:
    class Slow(io.BytesIO):
        def __init__(self, content: bytes) -> None:
            super().__init__(content)
            self.pauses = 0

        def read(self, size: int | None = -1, /) -> bytes:
            time.sleep(0.5)
            self.pauses += 1
            return super().read(size)

    file = Slow(bytes(14 * PIECE))
    async with Client(server.target, timeout_s=5) as client:
        media = await client.upload(file, filename="slow")
    assert media.size_bytes == 14 * PIECE
    assert file.pauses * 0.5 > 5


async def test_a_cut_in_the_middle_is_unavailable(server: ScriptedServer) -> None:
    server.service.take_upload.clear()
    async with wired(server) as wire, Client(f"127.0.0.1:{wire.port}") as client:
        sending = asyncio.create_task(client.upload(io.BytesIO(bytes(200 * PIECE)), filename="cut"))
        await until(lambda: bool(server.service.calls))
        wire.cut()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(sending, 60)
    server.service.take_upload.set()


async def test_a_cancelled_upload_closes_the_file(server: ScriptedServer, tmp_path: Path) -> None:
    server.service.take_upload.clear()
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(200 * PIECE))
    async with Client(server.target) as client:
        sending = asyncio.create_task(client.upload(path))
        await until(lambda: bool(server.service.calls))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    server.service.take_upload.set()
    assert server.service.media == {}


async def test_other_calls_go_on_while_a_file_is_read(server: ScriptedServer, client: Client) -> None:
    reading, go_on = threading.Event(), threading.Event()

    class Stuck(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reading.set()
            assert go_on.wait(60)
            return super().read(size)

    sending = asyncio.create_task(client.upload(Stuck(b"x" * 10), filename="stuck"))
    await until(reading.is_set)
    assert await client.list_engines()
    go_on.set()
    assert (await sending).size_bytes == 10


async def test_transcribe_of_a_path_uploads_it_first(client: Client, server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"sound")
    working = asyncio.create_task(client.transcribe(path))
    await server.service.until_watched()
    [job_id], [media_id] = server.service.jobs, server.service.media
    assert server.service.jobs[job_id].media_id == media_id
    await server.service.advance(job_id, segments=1, state=job_pb2.JOB_STATE_SUCCEEDED)
    assert (await working).text == "segment 0"
