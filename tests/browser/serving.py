"""A service with its gateway for browser tests, and what its interface says beside the page."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests import doors
from tests.doors import Json
from tests.service import ServeProcess, free_port
from yt_text.app import App
from yt_text_client import Client


@dataclass(frozen=True)
class Interface:
    """REST at an address.

    Attributes:
        url: the page's address, without a slash at the end.
    """

    url: str
    http: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        """Returns the JSON at a path."""
        answer = await self.http.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    async def jobs(self) -> list[Json]:
        """All jobs, newest first."""
        return (await self.get("/api/jobs?pageSize=200")).get("jobs", [])

    async def lines(self, job_id: str) -> list[str]:
        """The text of a finished job, segment by segment."""
        result = await self.get(f"/api/jobs/{job_id}/result")
        return [segment["text"] for segment in result["segments"]]


@dataclass(frozen=True)
class Service(Interface):
    """A service in this process.

    Attributes:
        client: of its gRPC address, which knows no limits of clients.
    """

    app: App
    client: Client

    async def submitted(self, url: str) -> str:
        """Submits a link; returns its job's id."""
        return (await self.client.submit(url)).id

    async def transcribed(self, path: Path, name: str = "") -> str:
        """Transcribes an upload; returns its job's id."""
        job = await self.client.submit(await self.client.upload(path, filename=name or path.name))
        async for _ in self.client.watch(job.id):
            pass
        return job.id


@dataclass(frozen=True)
class Killable(Interface):
    """A service in a process of its own, which comes back at its address.

    Attributes:
        process: to be killed and started.
    """

    process: ServeProcess

    async def ready(self) -> None:
        """Waits until it takes jobs."""
        await self.process.gateway_ready(self.url.removeprefix("http://"))


class Serve(Protocol):
    """Starts a service with its gateway."""

    async def __call__(self, **values: Any) -> Service:
        """Starts it; `values` are settings."""
        ...


@asynccontextmanager
async def serving(folder: Path, **values: Any) -> AsyncGenerator[Service]:
    """A service with its gateway; `values` are settings."""
    async with App(doors.open_settings(folder, **values)) as app, Client(app.address) as client:
        url = f"http://{app.http_address}"
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            yield Service(url, http, app, client)


@asynccontextmanager
async def killable(folder: Path) -> AsyncGenerator[Killable]:
    """A service in a process of its own; one that comes after a killed one takes its jobs over soon."""
    address = f"127.0.0.1:{free_port()}"
    environment = {"YT_TEXT_GATEWAY": "on", "YT_TEXT_HTTP_ADDRESS": address}
    environment |= {"YT_TEXT_LEASE_SECONDS": "3", "YT_TEXT_RECONCILE_S": "1"}
    url = f"http://{address}"
    async with ServeProcess(folder, **environment) as process, httpx.AsyncClient(base_url=url, timeout=60) as http:
        service = Killable(url, http, process)
        await service.ready()
        yield service
