"""Downloads of models for tests: quick limits, sources on mirrors of this machine, what arrived."""

import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.model_mirrors import Mirror
from yt_text.engines.model_download import DownloadStoppedError, ModelDownloadError, download
from yt_text.engines.model_part import part_path
from yt_text.engines.model_source import DownloadLimits, Source

QUICK = DownloadLimits(min_free_disk_bytes=0, retry_base_s=0.01, retry_max_s=0.05, connect_timeout_s=20)
NAME = "mine.bin"


def known(data: bytes, *mirrors: Mirror) -> Source:
    """A source whose size and digest are known, as those of published models are."""
    return Source(NAME, tuple(mirror.url("/" + NAME) for mirror in mirrors), len(data), sha256(data).hexdigest())


def unknown(*mirrors: Mirror) -> Source:
    return Source(NAME, tuple(mirror.url("/" + NAME) for mirror in mirrors))


def failure(source: Source, folder: Path, limits: DownloadLimits = QUICK) -> ModelDownloadError:
    with pytest.raises(ModelDownloadError) as caught:
        download(source, folder, limits=limits)
    assert not (folder / NAME).exists()
    assert str(folder) not in caught.value.message
    assert "127.0.0.1" not in caught.value.message
    return caught.value


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def begin(source: Source, folder: Path, mirror: Mirror, count: int) -> None:
    """Fetches `count` bytes and is then stopped."""
    mirror.hold_at = count
    stop = threading.Event()

    def stop_when_there() -> None:
        until(lambda: arrived(folder) >= count)
        stop.set()

    watching = threading.Thread(target=stop_when_there, daemon=True)
    watching.start()
    with pytest.raises(DownloadStoppedError):
        download(source, folder, cancelled=stop, limits=QUICK)
    watching.join()
    mirror.hold_at = 0
    assert arrived(folder) == count
    mirror.requests.clear()


def arrived(folder: Path) -> int:
    part = part_path(folder / NAME)
    return part.stat().st_size if part.exists() else 0


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen within a minute"
        time.sleep(0.01)
