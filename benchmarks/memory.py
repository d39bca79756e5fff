"""Peak memory of the whole process tree: ten hours of audio against ten minutes.

The engine is whisper.cpp on a hand-wired model: the real code, each chunk in a tenth of a second. Memory is the
proportional set size over all processes of the service, sampled while a job runs.
"""

import asyncio
import os
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks.table import Measure
from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import ServeProcess, config, finished
from yt_text_client import Client, JobState

HOURS = float(os.environ.get("BENCH_MEMORY_HOURS", "10"))
SAMPLE_S = 0.1


class Peak(threading.Thread):
    """Samples the memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._done = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        """Samples until stopped."""
        while not self._done.wait(SAMPLE_S):
            total = 0
            for process in (self._root, *self._root.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.bytes = max(self.bytes, total)

    def stop(self) -> int:
        """Returns the highest sample in bytes."""
        self._done.set()
        self.join()
        return self.bytes


async def peak(folder: Path, model: Path, recording: Path) -> tuple[int, float, int]:
    """Transcribes in a service of its own; returns peak bytes, seconds and segments."""
    async with ServeProcess(folder, YT_TEXT_MODEL=str(model)) as service, Client(service.address) as client:
        media = await client.upload(recording)
        sampling = Peak(service.process.pid)
        sampling.start()
        began = time.monotonic()
        job, segments = await finished(client, await client.submit(media, config(language_code="de")), 3000)
        took = time.monotonic() - began
        assert job.state == JobState.SUCCEEDED, job.error
        return sampling.stop(), took, len(segments)


async def run() -> list[Measure]:
    """Measures both, each in a fresh service."""
    figures: list[tuple[int, float, int]] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        model = wired_model(root / "wired.bin", high=())
        ten_minutes = write(speech(600, seed=2), root / "short.mp3", codec="mp3")
        long = root / "long.mp3"
        # Frames of MP3 can be joined: hours of speech without hours of encoding.
        with long.open("wb") as file:
            for _ in range(round(HOURS * 6)):
                file.write(ten_minutes.read_bytes())
        for recording in (ten_minutes, long):
            folder = root / recording.stem
            folder.mkdir()
            figures.append(await peak(folder, model, recording))
    (short_bytes, short_s, _), (long_bytes, long_s, segments) = figures
    detail = (
        f"{long_bytes / 1e6:.0f} MB in {long_s:.0f} s ({segments} segments) "
        f"and {short_bytes / 1e6:.0f} MB in {short_s:.0f} s"
    )
    return [Measure(f"peak memory, {HOURS:g} h / 10 min of audio", long_bytes / short_bytes, 1.05, detail=detail)]


def measure() -> list[Measure]:
    """Returns the figures."""
    return asyncio.run(run())
