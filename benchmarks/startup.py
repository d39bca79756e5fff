"""How soon `yt-text serve` is ready by its health check, from the start of its process."""

import asyncio
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.table import Measure
from tests.service import ServeProcess

ROUNDS = 5


async def run() -> list[Measure]:
    """Starts the service several times on the same data directory."""
    with tempfile.TemporaryDirectory() as folder:
        took: list[float] = []
        memory = 0.0
        for _ in range(ROUNDS):
            service = ServeProcess(Path(folder))
            began = time.monotonic()
            async with service:
                took.append(time.monotonic() - began)
                memory = sum(
                    process.memory_full_info().pss
                    for process in (psutil.Process(service.process.pid), *service.children())
                )
    first, again = took[0], sorted(took[1:])[len(took) // 2 - 1]
    return [
        Measure("start to ready", again, 1.0, " s", f"first start, with its migrations, {first:.2f} s"),
        Measure("memory of the idle service, no model loaded", memory / 1e6, 200, " MB"),
    ]


def measure() -> list[Measure]:
    """Returns the figures."""
    return asyncio.run(run())
