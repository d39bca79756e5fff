"""Who calls: a gateway is believed, nobody else."""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import grpc
import pytest

from yt_text.rpc.client_address import HEADER, Networks, client_address


@asynccontextmanager
async def asking(*, socket: bool, trusted: Networks = ()) -> AsyncGenerator[Any]:
    """A server that answers with what it takes for the caller's address."""

    async def answer(_: bytes, context: Any) -> bytes:
        return client_address(context, trusted).encode()

    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(answer)  # pyright: ignore[reportArgumentType] - the stub knows no async
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("who", {"Calls": method}),))
    with tempfile.TemporaryDirectory(prefix="ytt-") as folder:  # a socket's path must be short
        address = f"unix:{Path(folder) / 's'}" if socket else "127.0.0.1:0"
        port = server.add_insecure_port(address)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(address if socket else f"127.0.0.1:{port}") as channel:
                call: Any = channel.unary_unary("/who/Calls")

                async def ask(*addresses: str) -> str:
                    return (await call(b"", metadata=[(HEADER, each) for each in addresses])).decode()

                yield ask
        finally:
            await server.stop(0)


@pytest.mark.parametrize(
    ("named", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:5000", ""),
        ("192.0.2", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
async def test_a_gateway_on_a_socket_says_who_its_client_is(named: str, client: str) -> None:
    async with asking(socket=True) as ask:
        assert await ask(named) == client


async def test_without_a_header_there_is_no_client_and_of_several_the_last_holds() -> None:
    async with asking(socket=True) as ask:
        assert await ask() == ""
        assert await ask("192.0.2.1", "192.0.2.2") == "192.0.2.2"


async def test_a_direct_call_is_not_believed() -> None:
    async with asking(socket=False) as ask:
        assert await ask("192.0.2.7") == ""
    async with asking(socket=False, trusted=(ip_network("192.0.2.0/24"),)) as ask:
        assert await ask("192.0.2.7") == ""


async def test_a_gateway_in_a_trusted_network_is_believed() -> None:
    async with asking(socket=False, trusted=(ip_network("::1/128"), ip_network("127.0.0.0/8"))) as ask:
        assert await ask("192.0.2.7") == "192.0.2.7"
