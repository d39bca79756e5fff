"""The one door from a fetch child to the network: a forward proxy that reaches only allowed addresses.

It listens on loopback inside the service, resolves names itself, checks every address and dials the very
address that it checked, so neither a redirect, nor a name that changes its mind, nor a link inside a
playlist leads anywhere else. A child shows the token of its fetch; nobody else on the machine gets through.

What it cannot do it answers with a status of its own, which `site_errors` reads in the child.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from yt_text.intake import addresses
from yt_text.intake.addresses import Network
from yt_text.intake.fetch_messages import ProxyStatus
from yt_text.intake.proxy_http import ProxyRequest, answer, closing_head

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the literal addresses of a name. Raises `socket.gaierror`."""

_BLOCK_BYTES = 64 << 10


@dataclass(frozen=True)
class ProxyLimits:
    """What one fetch may use.

    Attributes:
        max_connections: at once; more wait.
        max_header_bytes: of one request.
        header_timeout_s: until a child has sent a request.
        resolve_timeout_s: for a name.
        connect_timeout_s: for one address.
        idle_timeout_s: a connection on which nothing comes from the site for so long is closed.
    """

    max_connections: int = 16
    max_header_bytes: int = 64 << 10
    header_timeout_s: float = 15.0
    resolve_timeout_s: float = 10.0
    connect_timeout_s: float = 15.0
    idle_timeout_s: float = 120.0


@dataclass
class Pass:
    """What lets one fetch through, and what became of its connections.

    Attributes:
        refused: how many connections to addresses that are not allowed it asked for.
    """

    token: str
    slots: asyncio.Semaphore
    refused: int = 0
    connections: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


class _CannotConnectError(Exception):
    def __init__(self, status: ProxyStatus) -> None:
        super().__init__(status.name)
        self.status = status


class FilterProxy:
    """The proxy. One serves all fetches.

    Args:
        allowed_networks: networks that may be reached although they are not public.
        limits: for each fetch.
        resolve: looks names up; the system's resolver if None.
    """

    def __init__(
        self,
        allowed_networks: Sequence[Network] = (),
        limits: ProxyLimits = ProxyLimits(),
        resolve: Resolve | None = None,
    ) -> None:
        self._allowed = tuple(allowed_networks)
        self._limits = limits
        self._resolve = resolve or self._ask_system
        self._passes: dict[str, Pass] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        # Its own threads: a resolver that hangs must not hold up other work of the service.
        self._resolvers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")
        self.port = 0

    async def start(self) -> None:
        """Begins to listen on a free port of 127.0.0.1; see `port`."""
        limit = self._limits.max_header_bytes
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=limit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
            await _end(self._serving)
            await self._server.wait_closed()
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def admit(self) -> Pass:
        """Makes a pass for a fetch."""
        admitted = Pass(secrets.token_urlsafe(24), asyncio.Semaphore(self._limits.max_connections))
        self._passes[admitted.token] = admitted
        return admitted

    async def revoke(self, admitted: Pass) -> None:
        """Ends the connections of a fetch, and lets it make no more."""
        self._passes.pop(admitted.token, None)
        await _end(admitted.connections)

    def url(self, admitted: Pass) -> str:
        """The proxy's address as a child is told it."""
        return f"http://fetch:{admitted.token}@127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection is always served by a task
        self._serving.add(task)
        # A reset or a cancelled fetch needs no word: the child learns it from its connection.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                status = await self._handle(task, reader, writer)
                if status is not None:
                    writer.write(answer(status))
                    await writer.drain()
            finally:
                writer.close()
                self._serving.discard(task)

    async def _handle(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> ProxyStatus | None:
        """Serves one connection. Returns a status to answer with if there is nothing to relay."""
        try:
            async with asyncio.timeout(self._limits.header_timeout_s):
                head = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return ProxyStatus.BAD_REQUEST
        request = ProxyRequest.parse(head)
        if request is None:
            return ProxyStatus.BAD_REQUEST
        admitted = self._passes.get(request.token)
        if admitted is None:
            return ProxyStatus.NOT_ADMITTED
        admitted.connections.add(task)
        try:
            async with admitted.slots:
                return await self._relay(request, admitted, reader, writer)
        finally:
            admitted.connections.discard(task)

    async def _relay(
        self, request: ProxyRequest, admitted: Pass, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> ProxyStatus | None:
        try:
            site_reader, site_writer = await self._dial(request.host, request.port)
        except _CannotConnectError as error:
            if error.status is ProxyStatus.ADDRESS_REFUSED:
                admitted.refused += 1
            return error.status
        try:
            if request.forward:
                site_writer.write(request.forward)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            pumps = {
                asyncio.create_task(_pump(reader, site_writer, None)),
                asyncio.create_task(self._give(site_reader, writer, tunnel=not request.forward)),
            }
            try:
                # Nobody in a fetch half-closes: when either side ends, the connection is over.
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            site_writer.close()
        return None

    async def _give(self, site: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tunnel: bool) -> None:
        """Passes on what comes from a site."""
        if not tunnel:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._limits.idle_timeout_s):
                    writer.write(await closing_head(site))
        await _pump(site, writer, self._limits.idle_timeout_s)

    async def _dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port in addresses.DENIED_PORTS:
            raise _CannotConnectError(ProxyStatus.ADDRESS_REFUSED)
        try:
            async with asyncio.timeout(self._limits.resolve_timeout_s):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise _CannotConnectError(ProxyStatus.NAME_NOT_RESOLVED) from error
        except socket.gaierror as error:
            passing = error.errno == socket.EAI_AGAIN
            status = ProxyStatus.NAME_NOT_RESOLVED if passing else ProxyStatus.NAME_UNKNOWN
            raise _CannotConnectError(status) from error
        except (OSError, UnicodeError) as error:
            raise _CannotConnectError(ProxyStatus.NAME_UNKNOWN) from error
        # One forbidden address forbids the name: the others may be there only to get it past a check.
        if not all(addresses.is_allowed(address, self._allowed) for address in found):
            raise _CannotConnectError(ProxyStatus.ADDRESS_REFUSED)
        status = ProxyStatus.NAME_UNKNOWN
        for address in dict.fromkeys(found):
            try:
                async with asyncio.timeout(self._limits.connect_timeout_s):
                    return await asyncio.open_connection(address, port, limit=_BLOCK_BYTES)
            except TimeoutError:
                status = ProxyStatus.CONNECT_TIMEOUT
            except OSError:
                status = ProxyStatus.CONNECT_FAILED
        raise _CannotConnectError(status)

    async def _ask_system(self, host: str, port: int) -> list[str]:
        def ask() -> list[str]:
            return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._resolvers, ask)


async def _end(connections: set[asyncio.Task[None]]) -> None:
    ending = list(connections)
    for connection in ending:
        connection.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_timeout_s: float | None) -> None:
    """Copies until the reader ends, or nothing comes for too long."""
    with contextlib.suppress(OSError, TimeoutError):
        while True:
            async with asyncio.timeout(idle_timeout_s):
                block = await reader.read(_BLOCK_BYTES)
            if not block:
                break
            writer.write(block)
            await writer.drain()
