"""A wire to a server that can be cut, or fall silent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from clients.python.tests.scripted import ScriptedServer


class Wire:
    """A TCP port in front of a server, whose connections can be cut or go silent."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._ends: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.frozen: set[asyncio.StreamWriter] = set()
        self.refusing = False
        self.accepted = 0
        self.port = 0

    async def open(self) -> None:
        """Starts to listen on a free port."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends everything."""
        if self._listener is not None:
            self._listener.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Breaks every connection without a word of HTTP/2."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def freeze(self) -> None:
        """Lets nothing more through on the connections there are; new ones work."""
        self.frozen.update(self._ends)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            if self.refusing:
                raise ConnectionRefusedError
            back_reader, back_writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.transport.abort()
            return
        self._ends += [writer, back_writer]
        for source, sink in ((reader, back_writer), (back_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if sink not in self.frozen:
                    sink.write(data)
                    await sink.drain()
        if sink not in self.frozen:
            sink.close()


@asynccontextmanager
async def wired(server: ScriptedServer) -> AsyncGenerator[Wire]:
    """A wire to a server."""
    wire = Wire(server.socket)
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()
