"""`yt-text serve`: gateway, gRPC server, worker and engines in one command."""

import asyncio
import contextlib
import ctypes
import logging
import signal
import time
from typing import Annotated

import typer

from yt_text.cli import ending, logs
from yt_text.cli.gateway import cannot_start
from yt_text.settings import Settings

_log = logging.getLogger(__name__)
BEGAN = time.monotonic()

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BLOCK_BYTES = 128 << 10


def serve(
    grpc_address: Annotated[
        str | None, typer.Option("--grpc-address", help="Where gRPC listens. Default: YT_TEXT_GRPC_ADDRESS.")
    ] = None,
    http_address: Annotated[
        str | None,
        typer.Option("--http-address", help="Where the page and REST listen. Default: YT_TEXT_HTTP_ADDRESS."),
    ] = None,
    no_gateway: Annotated[bool, typer.Option("--no-gateway", help="gRPC only, without page and REST.")] = False,
) -> None:
    """Runs the service until SIGTERM or Ctrl-C, then drains it."""
    given = {"grpc_address": grpc_address, "http_address": http_address, "gateway": False if no_gateway else None}
    settings = ending.read_settings(**{name: value for name, value in given.items() if value is not None})
    logs.configure(format_name=settings.log_format, level=settings.log_level)
    _give_memory_back()
    raise typer.Exit(asyncio.run(_serve(settings)))


def _give_memory_back() -> None:
    """Has the C library return large blocks to the system when they are freed.

    Chunks of sound are 1 MB each and come by the thousand; by default it learns to keep such blocks, in as
    many arenas as there are threads, and the process grows. Nothing happens where the library is another.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_ARENA_MAX, 2)


async def _serve(settings: Settings) -> int:
    from sqlalchemy.exc import SQLAlchemyError  # `--help` should not wait for these

    from yt_text.app import App, DataDirectoryInUseError
    from yt_text.gateway.envoy import GatewayError
    from yt_text.rpc.server import AddressInUseError

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    app = App(settings)
    try:
        await app.start()
    except DataDirectoryInUseError:
        ending.fail(
            "another yt-text runs on this data directory. Stop it, or set YT_TEXT_DATA_DIR to another one.",
            ending.NO_SERVICE,
        )
    except AddressInUseError:
        ending.fail(
            f"cannot listen on {settings.grpc_address}. Is the port in use? Set YT_TEXT_GRPC_ADDRESS to another.",
            ending.NO_SERVICE,
        )
    except GatewayError as error:
        cannot_start(error, settings)
    except (OSError, SQLAlchemyError) as error:
        why = error.strerror if isinstance(error, OSError) else "the database cannot be opened"
        ending.fail(f"cannot use the data directory: {why}. Set YT_TEXT_DATA_DIR to another one.", ending.NO_SERVICE)
    started_s = round(time.monotonic() - BEGAN, 2)
    page = f"http://{app.http_address}/" if app.http_address else ""
    _log.info("ready", extra={"page": page, "grpc_address": app.address, "start_s": started_s})
    stopping = asyncio.create_task(stop.wait())
    failing = asyncio.create_task(app.failed())
    await asyncio.wait([stopping, failing], return_when=asyncio.FIRST_COMPLETED)
    failed = failing.done()
    _log.info("stopping", extra={"grace_s": settings.shutdown_grace_s})
    # A second signal ends it at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    failing.cancel()
    await app.stop()
    _log.info("stopped")
    return ending.SERVICE_FAILED if failed else 0
