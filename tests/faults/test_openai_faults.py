"""The engine with a service that misbehaves: what is tried again, what is not, and how soon it lets go."""

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.certificates import certify
from tests.openai_server import (
    BEHAVE,
    CUT,
    HANG,
    HTML,
    TEXT,
    TRICKLE,
    VERBOSE,
    Answer,
    OpenAiServer,
    Reply,
    failure,
    reply,
)
from tests.sounds import sample_pcm, seconds
from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.engines.openai_api import OpenAiApi, OpenAiLimits
from yt_text.errors import EngineError, Reason

SPEECH = seconds(sample_pcm(), 0, 5)
SOON = OpenAiLimits(request_timeout_s=60, tries=3, backoff_base_s=0.01, backoff_max_s=0.02)
HASTY = OpenAiLimits(request_timeout_s=1.5, tries=2, backoff_base_s=0.01, backoff_max_s=0.02)
PATIENT = OpenAiLimits(request_timeout_s=120, tries=3, backoff_base_s=120, backoff_max_s=120, retry_after_max_s=120)
ENDED_WITHIN_S = 20
"""Far more than letting go takes on a busy machine, far less than what it would otherwise wait for."""

Make = Callable[..., OpenAiApi]


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with OpenAiServer() as server:
        yield server


@pytest.fixture
def make(server: OpenAiServer) -> Iterator[Make]:
    engines: list[OpenAiApi] = []

    def make(limits: OpenAiLimits = SOON, *, model: str = "whisper-1", key: str = "", url: str = "") -> OpenAiApi:
        engines.append(OpenAiApi(model, url or server.url, key or server.key, limits))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def transcribe(engine: OpenAiApi, options: ChunkOptions | None = None) -> ChunkResult:
    return engine.transcribe(SPEECH, options or ChunkOptions(), Event())


def text(result: ChunkResult) -> str:
    return " ".join(segment.text for segment in result.segments)


def refused(engine: OpenAiApi) -> EngineError:
    with pytest.raises(EngineError) as caught:
        transcribe(engine)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


BUSY = failure(429, "Rate limit reached", code="rate_limit_exceeded", retry_after="0")


@pytest.mark.parametrize(
    "first",
    [
        BUSY,
        failure(429, "Rate limit reached", retry_after_ms="20"),
        failure(429, "Rate limit reached"),
        failure(500, "The server had an error"),
        failure(503, "Overloaded", retry_after="0"),
        Reply(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}),
        CUT,
        Reply(200, b"", {"content-length": "900"}, cut_at=0),
        reply(b'{"text": "Good mor'),
    ],
    ids=["429 after", "429 after ms", "429", "500", "503", "502 HTML", "cut", "cut at once", "half JSON"],
)
def test_a_failure_that_passes_is_tried_again(make: Make, server: OpenAiServer, first: Answer) -> None:
    server.will(first, BEHAVE)
    engine = make()
    assert text(transcribe(engine)) == TEXT
    assert len(server.requests) == 2
    assert server.requests[0].file == server.requests[1].file
    assert {request.headers.get("x-stainless-retry-count", "0") for request in server.requests} == {"0"}
    assert text(transcribe(engine)) == TEXT


@pytest.mark.parametrize(
    "answer", [BUSY, failure(500), failure(503), CUT, reply(b'{"te')], ids=["429", "500", "503", "cut", "half JSON"]
)
def test_a_failure_that_does_not_pass_is_tried_so_often_and_no_more(
    make: Make, server: OpenAiServer, answer: Answer
) -> None:
    server.will(answer)
    engine = make()
    error = refused(engine)
    assert (error.reason, error.retryable) == (Reason.ENGINE_FAILED, True)
    assert error.metadata["tries"] == "3"
    assert "3 times" in error.message
    assert len(server.requests) == 3
    server.will(BEHAVE)
    assert text(transcribe(engine)) == TEXT, "the engine works on"


def test_retry_after_is_waited_for(make: Make, server: OpenAiServer) -> None:
    server.will(failure(429, retry_after="1"), BEHAVE)
    began_s = time.monotonic()
    assert text(transcribe(make())) == TEXT
    assert time.monotonic() - began_s >= 1


def test_a_service_that_asks_for_too_long_a_wait_is_not_asked_again(make: Make, server: OpenAiServer) -> None:
    server.will(failure(429, retry_after="3600"), BEHAVE)
    error = refused(make())
    assert (error.reason, error.retryable) == (Reason.ENGINE_FAILED, True)
    assert error.metadata == {"tries": "1", "retry_after_s": "3600"}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            failure(429, "You exceeded your quota", code="insufficient_quota", retry_after="0"),
            Reason.ENGINE_UNAVAILABLE,
        ),
        (failure(402), Reason.ENGINE_UNAVAILABLE),
        (failure(403, "Country not supported"), Reason.ENGINE_UNAVAILABLE),
        (failure(404, code="model_not_found"), Reason.MODEL_NOT_FOUND),
        (failure(400, "invalid model ID", param="model"), Reason.MODEL_NOT_FOUND),
        (failure(400, "Invalid language", param="language"), Reason.LANGUAGE_NOT_SUPPORTED),
        (failure(400, "Invalid language", param="languages[0]"), Reason.LANGUAGE_NOT_SUPPORTED),
        (failure(400, "Too long", param="prompt"), Reason.OPTION_NOT_SUPPORTED),
        (failure(400, "Audio file might be corrupted"), Reason.INVALID_REQUEST),
        (failure(400, param=["odd"], code="odd"), Reason.INVALID_REQUEST),
        (failure(408), Reason.INVALID_REQUEST),
        (failure(409), Reason.INVALID_REQUEST),
        (Reply(413, b"<html>Too large</html>", {"content-type": "text/html"}), Reason.INVALID_REQUEST),
        (reply({"error": {"type": {"odd": 1}, "code": [1], "param": {}}}, 422), Reason.INVALID_REQUEST),
        (reply({"error": "text"}, 400), Reason.INVALID_REQUEST),
        (reply(b"[]", 400), Reason.INVALID_REQUEST),
        (reply({}, 307, location="http://127.0.0.1:9/"), Reason.ENGINE_UNAVAILABLE),
    ],
)
def test_what_would_be_refused_again_is_not_tried_again(
    make: Make, server: OpenAiServer, answer: Answer, reason: Reason
) -> None:
    server.will(answer)
    error = refused(make())
    assert (error.reason, error.retryable) == (reason, False)
    assert len(server.requests) == 1
    assert error.metadata["http_status"].isdigit()


def test_a_wrong_key_is_said_in_words_without_the_key(make: Make, server: OpenAiServer) -> None:
    error = refused(make(key="sk-wrong-4711"))
    assert (error.reason, error.retryable) == (Reason.ENGINE_UNAVAILABLE, False)
    assert "API key" in error.message
    assert "sk-wrong" not in str(error.problem)
    assert len(server.requests) == 1


def test_a_model_that_is_not_there_is_said(make: Make, server: OpenAiServer) -> None:
    error = refused(make(model="whisper-9"))
    assert (error.reason, error.retryable) == (Reason.MODEL_NOT_FOUND, False)
    assert len(server.requests) == 1


def test_a_service_with_a_lower_limit_than_ours_refuses_and_is_not_asked_again() -> None:
    with OpenAiServer(max_upload_bytes=10_000) as server:
        engine = OpenAiApi("whisper-1", server.url, server.key, SOON)
        error = refused(engine)
        engine.close()
        assert (error.reason, error.metadata) == (Reason.INVALID_REQUEST, {"http_status": "413"})
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        reply(b""),
        reply({}),
        reply([]),
        reply(None),
        reply(b"\xff\xfe"),
        reply(b"[" * 100_000),
        reply({"text": 5}),
        reply(VERBOSE | {"segments": [{"start": "0", "end": 1.5, "text": "hi"}]}),
        reply(VERBOSE | {"segments": [{"start": 0, "end": float("nan"), "text": "hi"}]}),
        reply(VERBOSE | {"segments": [{"start": 0, "end": 4_000, "text": "hi"}]}),
        reply(VERBOSE | {"words": [{"word": "hi", "start": -5, "end": 1}]}),
        reply(gzip.compress(json.dumps(VERBOSE).encode()), content_encoding="gzip"),
    ],
)
def test_nonsense_is_refused_and_not_paid_for_twice(make: Make, server: OpenAiServer, answer: Answer) -> None:
    server.will(answer)
    engine = make()
    error = refused(engine)
    assert (error.reason, error.retryable, error.metadata["tries"]) == (Reason.ENGINE_FAILED, True, "1")
    assert len(server.requests) == 1
    server.will(BEHAVE)
    assert text(transcribe(engine)) == TEXT


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_without_end_is_not_read_to_its_end(make: Make, server: OpenAiServer, status: int) -> None:
    server.will(reply(b" " * 300_000 + b"{}", status))
    error = refused(make(OpenAiLimits(request_timeout_s=60, max_answer_bytes=200_000)))
    assert error.reason is Reason.ENGINE_FAILED
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [HANG, TRICKLE], ids=["silent", "trickling"])
def test_a_service_that_is_too_slow_is_given_up_after_its_tries(
    make: Make, server: OpenAiServer, answer: Answer
) -> None:
    server.will(answer)
    error = refused(make(HASTY))
    assert (error.reason, error.retryable, error.metadata) == (Reason.ENGINE_FAILED, True, {"tries": "2"})
    assert "in time" in error.message
    assert len(server.requests) <= 2


def test_a_service_that_is_slow_once_is_asked_again(make: Make, server: OpenAiServer) -> None:
    server.will(HANG, BEHAVE)
    assert text(transcribe(make(OpenAiLimits(request_timeout_s=5, tries=3, backoff_base_s=0.01)))) == TEXT
    assert server.abandoned.wait(ENDED_WITHIN_S)


def test_a_service_that_is_not_there_is_said(make: Make) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        error = refused(make(url=f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"))
    assert (error.reason, error.retryable, error.metadata["tries"]) == (Reason.ENGINE_FAILED, True, "3")
    assert "connection" in error.message


def test_a_connection_that_was_closed_between_chunks_is_made_anew(make: Make, server: OpenAiServer) -> None:
    engine = make()
    server.will(replace(reply(VERBOSE), then_close=True))
    for _ in range(5):
        assert text(transcribe(engine)) == TEXT


def test_nothing_is_sent_to_a_service_whose_certificate_nobody_vouches_for(make: Make, tmp_path: Path) -> None:
    with OpenAiServer(tls=certify(tmp_path)[0]) as server:
        error = refused(make(url=server.url, key=server.key))
        assert (error.reason, error.retryable) == (Reason.ENGINE_FAILED, True)
        assert server.requests == []


class Cancelled:
    """A call in another thread, to be cancelled."""

    def __init__(self, engine: OpenAiApi) -> None:
        self.cancel = Event()
        self.result: ChunkResult | None = None
        self._engine = engine
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.result = self._engine.transcribe(SPEECH, ChunkOptions(), self.cancel)

    def end(self) -> None:
        self.cancel.set()
        self._thread.join(ENDED_WITHIN_S)
        assert not self._thread.is_alive()
        assert self.result == ChunkResult(())


def test_cancelling_ends_a_request_in_flight_and_the_next_one_works(make: Make, server: OpenAiServer) -> None:
    engine = make(PATIENT)
    server.will(HANG, BEHAVE)
    call = Cancelled(engine)
    assert server.asked.acquire(timeout=60)
    call.end()
    assert server.abandoned.wait(ENDED_WITHIN_S), "the service is told at once"
    assert text(transcribe(engine)) == TEXT


@pytest.mark.parametrize("answer", [failure(500), failure(429, retry_after="100")], ids=["back-off", "Retry-After"])
def test_cancelling_ends_a_wait_between_tries(make: Make, server: OpenAiServer, answer: Answer) -> None:
    engine = make(PATIENT)
    server.will(answer, BEHAVE)
    call = Cancelled(engine)
    assert server.asked.acquire(timeout=60)
    time.sleep(0.3)  # until it waits; where it does not yet, this is the test before
    call.end()
    assert len(server.requests) == 1
    assert text(transcribe(engine)) == TEXT


def test_what_is_cancelled_before_it_begins_is_not_sent(make: Make, server: OpenAiServer) -> None:
    cancel = Event()
    cancel.set()
    assert make().transcribe(SPEECH, ChunkOptions(), cancel) == ChunkResult(())
    assert server.requests == []
