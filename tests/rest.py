"""Plain HTTP clients of a service behind its gateway."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests import doors
from tests.models import wired_model
from yt_text.app import App

UNKNOWN = "00000000-0000-4000-8000-000000000000"
URL = "https://a.example/talk"


@asynccontextmanager
async def serving(folder: Path, **values: Any) -> AsyncGenerator[tuple[App, httpx.AsyncClient]]:
    """A service behind its gateway and a plain HTTP client of it."""
    model = wired_model(folder / "wired.bin", high=())
    async with App(doors.open_settings(folder, model=str(model), **values)) as app, http_client(app) as http:
        yield app, http


def http_client(app: App) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{app.http_address}", timeout=60)


def reason(answer: httpx.Response) -> str:
    return doors.read_status(answer.json()).reason
