"""What the gateway costs: a call through it against a direct one, and how late events come to many watchers.

Calls are GetJob, one after another, direct and through the gateway in turn. Events are those of a real job whose
recording comes slowly and is silent, so that the machine's cores are free for the watchers; the delay is from the
moment of the change (`updateTime`, which is before its commit to the disk) to its arrival.
"""

import asyncio
import re
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import grpc

from benchmarks.table import Measure
from tests.recordings import noise, write
from tests.service import ServeProcess, free_port
from tests.sites import Site
from yt_text.v1 import transcription_service_pb2 as pb
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from yt_text_client import Client

CALLS, WARM_UP = 600, 50
WATCHERS = (500, 1_000)
WATCH_S = 12.0
UPDATE_TIME = re.compile(rb'"updateTime":"([^"]+)Z"')


class HttpConnection:
    """HTTP/1.1 with nothing between: a client library's own time is not the gateway's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, address: str) -> "HttpConnection":
        """Connects to `host:port`."""
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def get(self, path: str) -> int:
        """Sends a request; returns the length of the answer, whose body is left to read."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        found = re.search(rb"content-length: (\d+)", head)
        return int(found[1]) if found else 0

    async def read(self, size: int) -> bytes:
        """Reads so many bytes."""
        return await self._reader.readexactly(size)

    async def line(self) -> bytes:
        """Reads a line."""
        return await self._reader.readline()

    def close(self) -> None:
        """Closes the connection."""
        self._writer.close()


async def times(calls: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, float]:
    """Makes each call in turn, many times; returns the median of each in ms."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + CALLS):
        for name, call in calls.items():
            began = time.perf_counter()
            await call()
            if number >= WARM_UP:
                took[name].append((time.perf_counter() - began) * 1000)
    return {name: median(values) for name, values in took.items()}


async def compare_calls(near: str, far: str, job_id: str) -> list[Measure]:
    """GetJob, direct and through the gateway."""
    rest = await HttpConnection.open(far)

    async def get() -> None:
        await rest.read(await rest.get(f"/api/jobs/{job_id}"))

    async with grpc.aio.insecure_channel(near) as short, grpc.aio.insecure_channel(far) as long:
        direct: Any = TranscriptionServiceStub(short)
        through: Any = TranscriptionServiceStub(long)
        request = pb.GetJobRequest(job_id=job_id)
        took = await times(
            {"direct": lambda: direct.GetJob(request), "grpc": lambda: through.GetJob(request), "rest": get}
        )
    rest.close()
    return [
        Measure("gRPC through the gateway / direct", took["grpc"] / took["direct"], 2.0, detail=_ms(took, "grpc")),
        Measure("REST through the gateway / direct gRPC", took["rest"] / took["direct"], 2.0, detail=_ms(took, "rest")),
    ]


def _ms(took: dict[str, float], name: str) -> str:
    return f"{took[name]:.2f} ms / {took['direct']:.2f} ms"


async def watch_events(address: str, job_id: str, opened: asyncio.Semaphore) -> list[float]:
    """Returns how late each event came, in ms, until the job's end."""
    connection = await HttpConnection.open(address)
    delays: list[float] = []
    await connection.get(f"/api/jobs/{job_id}/events")
    opened.release()
    while line := await connection.line():
        if found := UPDATE_TIME.search(line):
            delays.append(late(datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC)))
        elif line == b"event: end\n":
            break
    connection.close()
    return delays[1:]  # the first is what was there


async def watch_directly(address: str, job_id: str) -> list[float]:
    """The same by gRPC, with no gateway."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = TranscriptionServiceStub(channel)
        watching = stub.WatchJob(pb.WatchJobRequest(job_id=job_id))
        return [late(message.job.update_time.ToDatetime(UTC)) async for message in watching][1:]


def late(moment: datetime) -> float:
    """Milliseconds since then."""
    return (datetime.now(UTC) - moment).total_seconds() * 1000


async def watch_slow_download(service: ServeProcess, address: str, url: str, watchers: int) -> list[Measure]:
    """Has many watch one job to its end, and one directly."""
    async with Client(service.address) as client:
        job = await client.submit(url)
        opened = asyncio.Semaphore(0)
        watching = [asyncio.create_task(watch_events(address, job.id, opened)) for _ in range(watchers)]
        for _ in range(watchers):
            await opened.acquire()
        direct = asyncio.create_task(watch_directly(service.address, job.id))
        await asyncio.sleep(WATCH_S)
        envoy = next(child for child in service.children() if child.name() == "envoy")
        memory = envoy.memory_info().rss / 1e6
        await client.cancel(job.id)
        delays = sorted(delay for found in await asyncio.gather(*watching) for delay in found)
        p50, p99 = median(delays), quantiles(delays, n=100)[98]
        base = median(await direct)
    name = f"{watchers:,} watchers by events"
    detail = f"{p50:.1f} ms / {base:.1f} ms, {len(delays):,} events"
    return [
        Measure(f"event delay, {name} / one by direct gRPC, medians", p50 / base, 5.0, detail=detail),
        Measure(f"event delay, {name}, p99", p99, 10 if watchers <= 1_000 else 20, " ms"),
        Measure(f"memory of the gateway with {watchers:,} watchers", memory, 150, " MB"),
    ]


async def run() -> list[Measure]:
    """Starts a service of its own with a gateway."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(noise(600, seed=1), folder / "quiet.mp3", codec="mp3")
        address = f"127.0.0.1:{free_port()}"
        service = ServeProcess(
            folder,
            YT_TEXT_GATEWAY="on",
            YT_TEXT_HTTP_ADDRESS=address,
            YT_TEXT_LOG_LEVEL="warning",
            YT_TEXT_MAX_CONCURRENT_CALLS="5000",
            YT_TEXT_MAX_STREAMS_PER_CLIENT="5000",
        )
        async with service:
            await service.gateway_ready(address)
            with Site(folder) as site:
                url = site.url("/slow/20000/quiet.mp3")
                async with Client(service.address) as client:
                    job = await client.submit(url)
                    await client.cancel(job.id)
                measures = await compare_calls(service.address, address, job.id)
                for watchers in WATCHERS:
                    measures += await watch_slow_download(service, address, url, watchers)
        return measures


def measure() -> list[Measure]:
    """Returns the figures."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a watcher is an open file
    return asyncio.run(run())
