"""`yt-text gateway`: the gateway alone, in front of servers elsewhere, or its files for Envoy's own image."""

import asyncio
import logging
import shutil
import signal
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from yt_text.address import split_address
from yt_text.cli import ending, logs
from yt_text.settings import Settings
from yt_text.socket_folder import socket_folder

if TYPE_CHECKING:
    from yt_text.gateway.envoy import GatewayError  # loads much that `--help` does not need

_log = logging.getLogger(__name__)


def gateway(
    server: Annotated[
        list[str] | None, typer.Option("--server", help="A server's gRPC address. Default: YT_TEXT_GRPC_ADDRESS.")
    ] = None,
    http_address: Annotated[
        str | None, typer.Option("--http-address", help="Where to listen. Default: YT_TEXT_HTTP_ADDRESS.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Writes all that Envoy needs into this folder instead of running it.")
    ] = None,
    place: Annotated[
        Path | None, typer.Option(help="With --write: where that folder will stand for Envoy. Default: the same.")
    ] = None,
) -> None:
    """Runs the page, REST and gRPC-Web in front of servers on other machines.

    These believe what it says of a client's address if its own is in their YT_TEXT_TRUSTED_GATEWAYS.
    """
    settings = ending.read_settings(**({"http_address": http_address} if http_address else {}))
    servers = tuple(server or [settings.grpc_address])
    if len({address.startswith("unix:") for address in servers}) > 1 or not all(map(_is_address, servers)):
        ending.fail("--server must be host:port or unix:/path, all of one kind.", ending.WRONG_USAGE)
    if write:
        try:
            raise typer.Exit(_write(settings, servers, write, place or write.absolute()))
        except OSError as error:
            ending.fail(f"cannot write into {write}: {error.strerror}.", ending.RECORDING_FAILED)
    logs.configure(format_name=settings.log_format, level=settings.log_level)
    raise typer.Exit(asyncio.run(_run(settings, servers)))


def cannot_start(error: "GatewayError", settings: Settings) -> NoReturn:
    """Ends a command whose gateway cannot start."""
    from yt_text.gateway.envoy import GatewayAddressInUseError

    why = f"the gateway cannot start: {error}."
    if isinstance(error, GatewayAddressInUseError):
        why = f"cannot listen on {settings.http_address}. Is the port in use? Set YT_TEXT_HTTP_ADDRESS to another."
    ending.fail(why, ending.NO_SERVICE)


def _is_address(text: str) -> bool:
    if text.startswith("unix:"):
        return text != "unix:"
    try:
        split_address(text)
    except ValueError:
        return False
    return True


def _write(settings: Settings, servers: tuple[str, ...], folder: Path, place: Path) -> int:
    from yt_text.app import gateway_config
    from yt_text.gateway import config

    try:
        ip_address(split_address(settings.http_address)[0])
    except ValueError:
        ending.fail("with --write, --http-address must be an IP address and a port.", ending.WRONG_USAGE)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(config.DESCRIPTORS, folder)
    shutil.copytree(config.PAGE, folder / config.PAGE.name, dirs_exist_ok=True)
    text = config.render(
        gateway_config(settings, *servers),
        admin_socket=Path("/tmp/envoy.sock"),  # noqa: S108 - in a container of its own, which may have no other folder
        descriptors=place / config.DESCRIPTORS.name,
        page=place / config.PAGE.name,
    )
    (folder / config.TEMPLATE.name).write_text(text, "utf-8")
    print(f"envoy -c {place / config.TEMPLATE.name}")
    return 0


async def _run(settings: Settings, servers: tuple[str, ...]) -> int:
    from yt_text.app import GATEWAY_GRACE_S, gateway_config, gateway_threads
    from yt_text.gateway.envoy import Gateway, GatewayError

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parent = socket_folder(Path(tempfile.gettempdir()), "yt-text-12345678/envoy.sock")
    with tempfile.TemporaryDirectory(prefix="yt-text-", dir=parent) as folder:
        running = Gateway(gateway_config(settings, *servers), Path(folder), threads=gateway_threads(settings))
        try:
            await running.start()
        except GatewayError as error:
            cannot_start(error, settings)
        _log.info("ready", extra={"page": f"http://{running.address}/", "servers": ",".join(servers)})
        await stop.wait()
        await running.stop(GATEWAY_GRACE_S)
    return 0
