from collections.abc import AsyncGenerator

import pytest

from clients.python.tests.scripted import ScriptedServer, serving
from yt_text_client import Client


@pytest.fixture
async def server() -> AsyncGenerator[ScriptedServer]:
    async with serving() as running:
        yield running


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncGenerator[Client]:
    async with Client(server.target) as opened:
        yield opened
