"""`yt-text serve`: gRPC server, worker and engines in one command."""

import asyncio
import logging
import signal
import time
from typing import Annotated

import typer

from yt_text.cli import ending, logs
from yt_text.settings import Settings

_log = logging.getLogger(__name__)
BEGAN = time.monotonic()


def serve(
    grpc_address: Annotated[
        str | None, typer.Option("--grpc-address", help="Where gRPC listens. Default: YT_TEXT_GRPC_ADDRESS.")
    ] = None,
) -> None:
    """Runs the service until SIGTERM or Ctrl-C, then drains it."""
    settings = ending.read_settings(**({"grpc_address": grpc_address} if grpc_address else {}))
    logs.configure(format_name=settings.log_format, level=settings.log_level)
    raise typer.Exit(asyncio.run(_serve(settings)))


async def _serve(settings: Settings) -> int:
    from yt_text.app import App, DataDirectoryInUseError
    from yt_text.rpc.server import AddressInUseError

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with App(settings) as app:
            _log.info("ready", extra={"grpc_address": app.address, "start_s": round(time.monotonic() - BEGAN, 2)})
            await stop.wait()
            _log.info("stopping", extra={"grace_s": settings.shutdown_grace_s})
            # A second signal ends it at once.
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
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
    except OSError as error:
        ending.fail(f"cannot use the data directory: {error.strerror}. Set YT_TEXT_DATA_DIR.", ending.NO_SERVICE)
    _log.info("stopped")
    return 0
