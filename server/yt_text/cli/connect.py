"""The one way in: a client of the service at an address, or of one started in this process."""

import sys
import tempfile
from collections.abc import AsyncGenerator, Coroutine
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from yt_text.cli import ending
from yt_text.settings import Settings
from yt_text_client import Client, Unavailable, YtTextError


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
    from yt_text.app import App  # a client of another machine need not load the service

    with ExitStack() as folders:
        # Recordings may be large, and the directory for temporary files may be in memory; a socket's path
        # must be short.
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        data = folders.enter_context(tempfile.TemporaryDirectory(prefix="once-", dir=settings.data_dir))
        sockets = folders.enter_context(tempfile.TemporaryDirectory(prefix="yt-text-"))
        own = replace(
            settings,
            data_dir=Path(data),
            database_url="",
            grpc_address=f"unix:{sockets}/grpc",
            gateway=False,
            shutdown_grace_s=0.0,
            allow_model_paths=True,  # the caller and the service are one person
        )
        async with App(own) as app, Client(app.address) as client:
            yield client


async def reporting(command: Coroutine[Any, Any, int]) -> int:
    """Runs a command that talks to a service; what goes wrong is one line on stderr and an exit code."""
    try:
        return await command
    except BrokenPipeError:  # `| head`: nobody reads on
        sys.stderr.close()
        return ending.INTERRUPTED
    except Unavailable as error:
        ending.fail(error.message, ending.NO_SERVICE)
    except YtTextError as error:
        ending.fail(error.message, ending.RECORDING_FAILED)
    except OSError as error:
        what = f" {Path(error.filename).name}" if error.filename else ""
        ending.fail(f"cannot use{what}: {error.strerror or type(error).__name__}.", ending.RECORDING_FAILED)
