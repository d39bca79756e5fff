"""How soon `yt-text serve` is ready by its health check, from the start of its process, and its idle memory."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.table import Measure
from tests.service import ServeProcess, free_port

ROUNDS = 5


async def start(folder: Path, address: str = "") -> tuple[float, float]:
    """Starts the service, with a gateway if it has an address; returns the time to ready in s, and its memory in MB."""
    service = ServeProcess(folder, **({"YT_TEXT_GATEWAY": "on", "YT_TEXT_HTTP_ADDRESS": address} if address else {}))
    began = time.monotonic()
    async with service:
        if address:
            await service.gateway_ready(address)
        took = time.monotonic() - began
        tree = (psutil.Process(service.process.pid), *service.children())
        memory = sum(process.memory_full_info().pss for process in tree) / 1e6
        service.terminate()
    return took, memory


async def run() -> list[Measure]:
    """Starts the service several times on the same data directory."""
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as folder:
        first, _ = await start(Path(folder))
        for name, address, goal in (("", "", 1.0), (", with the gateway", f"127.0.0.1:{free_port()}", 1.5)):
            rounds = [await start(Path(folder), address) for _ in range(ROUNDS)]
            took = median(took for took, _ in rounds)
            detail = "" if address else f"first start, with its migrations, {first:.2f} s"
            measures += [
                Measure(f"start to ready{name}", took, goal, " s", detail),
                Measure(f"memory of the idle service{name}", max(memory for _, memory in rounds), 200, " MB"),
            ]
    return measures


def measure() -> list[Measure]:
    """Returns the figures."""
    return asyncio.run(run())
