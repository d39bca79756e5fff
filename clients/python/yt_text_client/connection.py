"""One connection to a service: where it is, how calls run over it, how long they wait."""

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from grpclib.client import Channel

from yt_text_client.errors import TRANSPORT_ERRORS, RequestError, Unavailable, YtTextError, translate
from yt_text_client.models import TranscriptionServiceStub

T = TypeVar("T")

FIRST_CONTACT_PATIENCE_S = 1.0
"""A service that cannot be reached is tried for so long: enough for one that is just starting, and a wrong
address is reported at once."""


async def apart(
    work: Coroutine[Any, Any, T], timeout_s: float | None = None, progress: Callable[[], int] = lambda: 0
) -> T:
    """Runs `work` in a task of its own and returns its result.

    grpclib ends a broken call by cancelling the task that waits for it, and never takes that back. In the
    caller's own task this would confuse `asyncio.timeout` and `TaskGroup`, and could hide a real cancel.

    Raises:
        TimeoutError: for `timeout_s` it neither ended nor changed `progress()`; it has been cancelled.
    """
    task = asyncio.create_task(work)
    try:
        before = progress()
        while not (await asyncio.wait({task}, timeout=timeout_s))[0]:
            if before == (before := progress()):
                raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: an error that came together with a cancel is nobody's any more


class Backoff:
    """Waits between tries, longer each time, at random so that many clients do not come back at once."""

    BASE_S = 0.1
    MAX_S = 5.0
    CALM_S = 10.0
    TRIES_AT_LEAST = 2

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self._tries = 0
        self._tries_since_lost = 0
        self._now = asyncio.get_running_loop().time
        self._lost_at: float | None = None
        self._tried_at = self._now()

    def heard(self) -> None:
        """The service has answered: patience starts afresh, and after a calm time the waits do too."""
        self._lost_at = None
        if self._now() - self._tried_at > self.CALM_S:
            self._tries = 0

    async def wait(self, error: YtTextError) -> None:
        """Waits before the next try; raises `error` when patience is at its end.

        On a machine so slow that patience ends first there are still `TRIES_AT_LEAST` more tries.
        """
        now = self._now()
        if self._lost_at is None:
            self._lost_at = now
            self._tries_since_lost = 0
        left_s = max(0.0, self._lost_at + self.patience_s - now)
        asked_s = error.retry_after_s or 0.0
        if (left_s == 0 and self._tries_since_lost >= self.TRIES_AT_LEAST) or asked_s > left_s:
            raise error
        grown_s = min(self.MAX_S, self.BASE_S * 2 ** min(self._tries, 10))
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        await asyncio.sleep(min(left_s, max(asked_s, grown_s * jitter)))
        self._tries += 1
        self._tries_since_lost += 1
        self._tried_at = self._now()


class _Line:
    """A channel, and how many calls use it."""

    def __init__(self, channel: Channel, metadata: dict[str, str]) -> None:
        self.channel = channel
        self.stub = TranscriptionServiceStub(channel, metadata=metadata)
        self.calls = 0


class Connection:
    """Calls a service. Connects when the first call needs it, and again after a connection broke.

    There are no HTTP/2 pings: a gRPC server ends a connection that pings more than once in five minutes. A
    connection that died without a word shows itself by a call that gets no answer, and is then replaced; the
    calls that still use it go on.
    """

    def __init__(self, target: str, *, tls: bool | ssl.SSLContext, api_key: str | None) -> None:
        self.target = target
        self.contacted = False
        self._place = parse_target(target)
        self._tls = tls
        if api_key and not (api_key.isascii() and api_key.isprintable()):
            raise RequestError(
                "INVALID_REQUEST", "The API key may hold printable ASCII characters only.", "INVALID_ARGUMENT"
            )
        self._metadata = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._line: _Line | None = None

    def open(self) -> None:
        """Makes ready for calls. Needs a running event loop."""
        if self._line is None:
            self._line = self._new_line()

    def close(self) -> None:
        """Closes the connection; calls that run fail with `Unavailable`."""
        if self._line is not None:
            self._line.channel.close()
            self._line = None

    async def call(
        self,
        start: Callable[[TranscriptionServiceStub], Coroutine[Any, Any, T]],
        patience_s: float | None = None,
    ) -> T:
        """Makes a call that may safely be made twice: again for `patience_s` while the service is away."""
        backoff = Backoff(FIRST_CONTACT_PATIENCE_S if patience_s is None else patience_s)
        while True:
            try:
                return await self.call_once(start)
            except Unavailable as error:
                await backoff.wait(error)

    async def call_once(self, start: Callable[[TranscriptionServiceStub], Coroutine[Any, Any, T]]) -> T:
        """Makes a call."""
        with self.use() as stub:
            result = await apart(start(stub))
        self.contacted = True
        return result

    async def stream(
        self, start: Callable[[TranscriptionServiceStub], AsyncIterator[T]], silence_timeout_s: float
    ) -> AsyncGenerator[T, None]:
        """Yields a call's messages. One that is silent for too long ends in DeadlineExceeded."""
        with self.use() as stub:
            messages = start(stub)
            try:
                while (message := await apart(_next(messages), silence_timeout_s)) is not None:
                    self.contacted = True
                    yield message
            finally:
                if isinstance(messages, AsyncGenerator):
                    await messages.aclose()

    @contextmanager
    def use(self) -> Generator[TranscriptionServiceStub]:
        """Lends the stub for one call and puts what grpclib raises into our errors."""
        line = self._line
        if line is None:
            raise RuntimeError("the client is not open: use it in `async with Client(...) as client:`")
        line.calls += 1
        try:
            yield line.stub
        except TRANSPORT_ERRORS as error:
            if isinstance(error, TimeoutError) and line is self._line:  # perhaps it died without a word
                self._line = self._new_line()
            raise translate(error, self.target) from error
        finally:
            line.calls -= 1
            if line is not self._line and line.calls == 0:
                line.channel.close()

    def _new_line(self) -> _Line:
        host, port, path = self._place
        channel = Channel(host, port, path=path, ssl=self._tls or None)
        return _Line(channel, self._metadata)


async def _next(messages: AsyncIterator[T]) -> T | None:
    return await anext(messages, None)


def parse_target(target: str) -> tuple[str | None, int | None, str | None]:
    """Returns host, port and socket path of `host:port`, `[v6]:port` or `unix:/path`.

    Raises:
        RequestError: it is none of these.
    """
    if target.startswith("unix:"):
        path = target.removeprefix("unix:")
        path = path.removeprefix("//") if path.startswith("///") else path
        if path.startswith("/") and path[1:].lstrip("/") == path[1:] != "":
            return None, None, path
    else:
        host, colon, port = target.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        plain = bracketed or ":" not in host
        if host and colon and plain and "/" not in host and port.isdecimal() and 0 < int(port) < 65536:
            return host, int(port), None
    raise RequestError(
        "INVALID_REQUEST",
        f"{target!r} is not an address. Give host:port, [IPv6 address]:port or unix:/path.",
        "INVALID_ARGUMENT",
    )
