"""Running services for tests: in this process, or as the real command in one of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.models import MICRO
from yt_text.app import App
from yt_text.settings import Settings
from yt_text_client import Client, Job, Segment, TranscriptionConfig

LOOPBACK = ip_network("127.0.0.1/32")
READY_S = 60


def settings(folder: Path, **values: Any) -> Settings:
    """Settings for a service of its own in a folder: free port, loopback open, one engine, short waits."""
    defaults: dict[str, Any] = {
        "data_dir": folder / "data",
        "model_dir": folder / "models",
        "model": str(MICRO),
        "model_download": False,
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        "gateway": False,
        "allowed_private_addresses": (LOOPBACK,),
        "engine_processes": 1,
        "engine_threads": 1,
        "shutdown_grace_s": 0.0,
        "retry_base_s": 0.2,
        "min_free_disk_bytes": 0,
    }
    return Settings(**{**defaults, **values})


@asynccontextmanager
async def running(folder: Path, **values: Any) -> AsyncGenerator[tuple[App, Client]]:
    """A service in this process and a client of it."""
    async with App(settings(folder, **values)) as app, Client(app.address) as client:
        yield app, client


class ServeProcess:
    """`yt-text serve` in a process of its own, on a Unix socket, for tests that kill it.

    Args:
        folder: for its data; a second one on the same folder goes on where the first stopped.
        environment: more settings.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self._sockets = tempfile.mkdtemp(prefix="ytt-")  # a socket's path must be short
        self.address = f"unix:{self._sockets}/s"
        self._environment = {
            **os.environ,
            "YT_TEXT_DATA_DIR": str(folder / "data"),
            "YT_TEXT_MODEL_DIR": str(folder / "models"),
            "YT_TEXT_MODEL": str(MICRO),
            "YT_TEXT_MODEL_DOWNLOAD": "off",
            "YT_TEXT_GRPC_ADDRESS": self.address,
            "YT_TEXT_GATEWAY": "off",
            "YT_TEXT_ALLOWED_PRIVATE_ADDRESSES": "127.0.0.1/32",
            "YT_TEXT_ENGINE_PROCESSES": "1",
            "YT_TEXT_RETRY_BASE_S": "0.2",
            "YT_TEXT_MIN_FREE_DISK_BYTES": "0",
            "YT_TEXT_LOG_FORMAT": "json",
            **environment,
        }
        self._log = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; it may not be ready yet."""
        Path(self.address.removeprefix("unix:")).unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "yt_text.cli.main", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Waits until its health check says that it serves."""
        deadline = time.monotonic() + READY_S
        while not Path(self.address.removeprefix("unix:")).exists():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            await asyncio.sleep(0.005)
        async with grpc.aio.insecure_channel(self.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(cast(Any, channel))
            answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=READY_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None
        return self._process

    async def gateway_ready(self, address: str) -> None:
        """Waits until its gateway says that the service takes jobs."""
        async with httpx.AsyncClient() as client, asyncio.timeout(READY_S):
            while True:
                with suppress(httpx.HTTPError):
                    if (await client.get(f"http://{address}/health/ready")).is_success:
                        return
                assert self.process.poll() is None, self.log()
                await asyncio.sleep(0.02)

    def children(self) -> list[psutil.Process]:
        """All processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, module: str) -> psutil.Process | None:
        """The first process below it that runs a module, such as `yt_text.pool.host`."""
        for process in self.children():
            try:
                if module in process.cmdline():
                    return process
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return None

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; waits and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def log(self) -> str:
        """What it logged."""
        return self._log.read_text() if self._log.exists() else ""

    async def __aenter__(self) -> "ServeProcess":
        self.start()
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        Path(self.address.removeprefix("unix:")).unlink(missing_ok=True)
        Path(self._sockets).rmdir()


def free_port() -> int:
    """A port that is free now, for a service that must come back on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def closed_port() -> Generator[str]:
    """A URL where nothing listens, for as long as it is held."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/nothing-listens-here"


async def finished(client: Client, job: Job | str, timeout_s: float = 120) -> tuple[Job, list[Segment]]:
    """Watches a job to its end; returns it and its segments as watched."""
    job_id = job if isinstance(job, str) else job.id
    segments: list[Segment] = []
    last: Job | None = None
    async with asyncio.timeout(timeout_s):
        async for change in client.watch(job_id):
            last = change.job
            segments += change.segments
    assert last is not None
    return last, segments


async def until(client: Client, job_id: str, condition: Callable[[Job], bool], timeout_s: float = 60) -> Job:
    """Watches a job until a condition on it holds; returns it."""
    async with asyncio.timeout(timeout_s):
        async for change in client.watch(job_id):
            assert change.job is not None
            if condition(change.job):
                return change.job
    raise AssertionError("the job ended before the condition held")


def config(**values: Any) -> TranscriptionConfig:
    """A config."""
    return TranscriptionConfig(**values)
