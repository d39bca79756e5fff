"""Calls to a service like OpenAI's, through its SDK: an answer, or an error of ours. The one policy of retries."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2  # what the SDK speaks HTTP with
import openai

from yt_text.engines.openai_refusals import PassingError, refusal
from yt_text.errors import EngineError, Reason


@dataclass(frozen=True, slots=True)
class OpenAiLimits:
    """Every limit on the use of a service.

    All tries of one chunk together take at most `tries` times `request_timeout_s` and the waits between: 480 s
    as these stand. Keep that below the pool's `chunk_timeout_s`.

    Attributes:
        request_timeout_s: for one request, from connecting to the last byte of the answer.
        connect_timeout_s: for connecting alone.
        tries: requests for one chunk, the first among them.
        backoff_base_s: about how long to wait after the first failure; doubles with each.
        backoff_max_s: no wait of our own choice is longer.
        retry_after_max_s: a service that asks for a longer wait is not asked again: that is for the job's retry.
        max_upload_bytes: OpenAI takes 25 MB.
        max_answer_bytes: a long chunk with every word's times takes 0.2 MB.
        max_chunk_ms: 4 minutes: a day's 100 requests reach for 6 hours, the text comes in steps that one can
            wait for, little is lost when a request fails, FLAC is below 8 MB whatever the sound, and the pool's
            messages (8 MiB of PCM) hold it.
        max_untimed_chunk_ms: of models that give text without times: a chunk's text has no time but the chunk's.
            1 minute: subtitles stay near what is said, and an hour takes 60 requests.
    """

    request_timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    tries: int = 3
    backoff_base_s: float = 1.0
    backoff_max_s: float = 20.0
    retry_after_max_s: float = 60.0
    max_upload_bytes: int = 25_000_000
    max_answer_bytes: int = 4 * 1024 * 1024
    max_chunk_ms: int = 240_000
    max_untimed_chunk_ms: int = 60_000


class OpenAiCalls:
    """A client of one service. Use it in one event loop.

    Args:
        base_url: such as `https://api.openai.com/v1`.
        api_key: may be empty for a service without keys.
        limits: every limit.

    Raises:
        EngineError: `ENGINE_UNAVAILABLE`: the address or the key cannot be used.
    """

    def __init__(self, base_url: str, api_key: str, limits: OpenAiLimits) -> None:
        _check(base_url, api_key)
        self._limits = limits
        self._headers: dict[str, str | openai.Omit] = {
            "Content-Type": "multipart/form-data",
            "Accept-Encoding": "identity",  # what is packed has no size until it is unpacked
        }
        if not api_key:
            self._headers["Authorization"] = openai.Omit()
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none",  # the SDK wants one, though its header is left out
            base_url=base_url,
            max_retries=0,
            http_client=httpx2.AsyncClient(
                transport=_BoundedTransport(limits.max_answer_bytes),
                timeout=httpx2.Timeout(limits.request_timeout_s, connect=limits.connect_timeout_s),
                trust_env=False,
                follow_redirects=False,  # the sound goes where the settings say and nowhere else
            ),
        )

    async def post(self, path: str, fields: Mapping[str, object], sound: bytes) -> object:
        """Sends sound, and again where that may help. Cancelling it ends the request or the wait at once.

        Args:
            path: below the base address.
            fields: of the form, beside the file.
            sound: a FLAC file.

        Returns:
            The answer's JSON.

        Raises:
            FormRefusedError: see there.
            EngineError: `ENGINE_FAILED` (retryable; `tries` is how often it was sent), `ENGINE_UNAVAILABLE`,
                `MODEL_NOT_FOUND`, `LANGUAGE_NOT_SUPPORTED`, `INVALID_REQUEST`.
        """
        tried = 0
        while True:
            tried += 1
            try:
                async with asyncio.timeout(self._limits.request_timeout_s):
                    return await self._send(path, fields, sound)
            except TimeoutError:
                failure = PassingError("The speech service did not answer in time")
            except PassingError as error:
                failure = error
            wait_s = self._wait_s(failure, tried)
            if wait_s is None:
                raise _failed(failure, tried)
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.close()

    async def _send(self, path: str, fields: Mapping[str, object], sound: bytes) -> object:
        try:
            # Not `audio.transcriptions`: that makes objects of the answer without looking at it.
            response = await self._client.post(
                path,
                cast_to=httpx2.Response,
                body=dict(fields),
                files={"file": ("sound.flac", sound, "audio/flac")},
                options={"headers": self._headers},
            )
        except openai.APITimeoutError:
            raise PassingError("The speech service did not answer in time") from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, _TooLongError):
                raise _no_sense() from None
            raise PassingError("The connection to the speech service failed") from None
        except openai.APIStatusError as error:
            raise refusal(error, datetime.now(UTC)) from None
        return _json(response.content)

    def _wait_s(self, failure: PassingError, tried: int) -> float | None:
        """Seconds until the next try; None if there is to be none."""
        limits = self._limits
        if tried >= limits.tries:
            return None
        if failure.retry_after_s is not None:
            return failure.retry_after_s if failure.retry_after_s <= limits.retry_after_max_s else None
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreading load needs no secrecy
        return min(limits.backoff_max_s, limits.backoff_base_s * 2 ** (tried - 1)) * spread


def _check(base_url: str, api_key: str) -> None:
    try:
        url = httpx2.URL(base_url)
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise EngineError(
            Reason.ENGINE_UNAVAILABLE,
            "The address of the speech service is not usable. Set one such as https://host/v1.",
        )
    if not all("!" <= character <= "~" for character in api_key):
        # What cannot be sent would be quoted by the error about it.
        raise EngineError(
            Reason.ENGINE_UNAVAILABLE,
            "The API key for the speech service has characters that no key has. Set it again.",
        )


def _failed(failure: PassingError, tried: int) -> EngineError:
    facts = {"tries": str(tried)}
    if failure.retry_after_s is not None:
        facts["retry_after_s"] = f"{failure.retry_after_s:.0f}"
    times = "once" if tried == 1 else f"{tried} times"
    message = f"{failure.what}; it was asked {times}. Try again later, or choose another engine."
    return EngineError(Reason.ENGINE_FAILED, message, retryable=True, **facts)


def _no_sense() -> EngineError:
    return EngineError(
        Reason.ENGINE_FAILED,
        "The speech service answered something that is no transcript. Look whether its address is right.",
        retryable=True,
        tries="1",
    )


def _json(body: bytes) -> object:
    """Parses an answer. One that begins as JSON and ends too soon was cut off, and may be whole the next time."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, nested without end
        if body.lstrip().startswith(b"{"):
            raise PassingError("The answer of the speech service was cut off") from None
        raise _no_sense() from None


class _TooLongError(httpx2.TransportError):
    """The answer is longer than the limit."""


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """Reads no answer beyond a limit, nor one that was packed."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(trust_env=False)
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request."""
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise _TooLongError("packed")
        stream: Any = response.stream
        response.stream = _BoundedStream(stream, self._max_bytes)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise _TooLongError("too long")
            yield part

    async def aclose(self) -> None:
        """Closes the stream."""
        await self._stream.aclose()
