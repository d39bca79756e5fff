"""The one way in: a client of the service at an address, or of one started in this process."""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from yt_text.settings import Settings
from yt_text_client import Client


@asynccontextmanager
async def connect(server: str | None, settings: Settings) -> AsyncGenerator[Client]:
    """Yields a client.

    Args:
        server: `host:port` or `unix:/path`. None starts the service in this process on a Unix socket, in a
            directory of its own that is removed at the end.
        settings: for the service started here.
    """
    if server:
        async with Client(server) as client:
            yield client
        return
    from yt_text.app import App

    with tempfile.TemporaryDirectory(prefix="yt-text-") as folder:
        own = replace(
            settings,
            data_dir=Path(folder),
            database_url="",
            grpc_address=f"unix:{folder}/grpc.sock",
            shutdown_grace_s=0.0,
            allow_model_paths=True,  # the caller and the service are one person
        )
        async with App(own) as app, Client(app.address) as client:
            yield client
