"""Looks at the engine pool's child processes from outside, for tests."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from yt_text.pool.pool import EnginePool, PoolLimits

WAIT_S = 60
"""For what must happen soon, on a machine that is busy with other things."""


def hosts(parent_pid: int | None = None) -> list[psutil.Process]:
    """Returns the living engine processes of this process, or of another."""
    found: list[psutil.Process] = []
    for process in psutil.Process(parent_pid).children():
        try:
            if "yt_text.pool.host" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def cpu_s(process: psutil.Process) -> float:
    """Returns how much a process has computed; what it last said for one that is gone."""
    times = process.cpu_times()
    return times.user + times.system


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.01)


async def computing() -> psutil.Process:
    """Waits until an engine process computes, and returns it."""
    started = {host.pid: cpu_s(host) for host in hosts()}
    found: list[psutil.Process] = []

    def one_computes() -> bool:
        for host in hosts():
            if cpu_s(host) >= started.setdefault(host.pid, cpu_s(host)) + 0.05:
                found.append(host)
        return bool(found)

    await eventually(one_computes, "an engine computes")
    return found[0]


@asynccontextmanager
async def pool_in(folder: Path, limits: PoolLimits) -> AsyncGenerator[EnginePool]:
    """A started pool; at the end no process and no file of it may be left."""
    pool = EnginePool(folder / "run", limits)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()
    assert hosts() == []
    assert list((folder / "run").iterdir()) == []
