"""Messages and errors of the engine contract come back as they went."""

import grpc
from hypothesis import given
from hypothesis import strategies as st

from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.errors import EngineError, Reason
from yt_text.pool import wire
from yt_text.transcript import Segment, Word

times = st.integers(0, 30_000)
texts = st.text(max_size=20)
shares = st.floats(0, 1, width=32)
words = st.builds(Word, texts, times, times, shares)
segments = st.builds(Segment, times, times, texts, st.lists(words, max_size=3).map(tuple), st.floats(-9, 0, width=32))
results = st.builds(ChunkResult, st.lists(segments, max_size=3).map(tuple), texts, shares)


@given(results)
def test_result_comes_back_as_it_went(result: ChunkResult):
    assert wire.from_response(wire.to_response(result)) == result


@given(st.binary(max_size=100), st.builds(ChunkOptions, texts, st.booleans(), st.booleans(), texts))
def test_request_comes_back_as_it_went(pcm: bytes, options: ChunkOptions):
    request = wire.to_request(pcm, options)
    assert (request.pcm, wire.from_request(request)) == (pcm, options)


def call_error(*metadata: tuple[str, str | bytes]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), "text")


def test_error_comes_back_as_it_went():
    error = EngineError(Reason.LANGUAGE_NOT_SUPPORTED, "Not this one.", limit="3")
    back = wire.from_rpc_error(call_error((wire.DETAILS_KEY, wire.to_status(error).SerializeToString())))
    assert back is not None
    assert back.problem == error.problem
    assert not back.retryable


def test_failure_of_the_engine_may_pass():
    error = EngineError(Reason.ENGINE_FAILED, "Failed.", retryable=True)
    back = wire.from_rpc_error(call_error((wire.DETAILS_KEY, wire.to_status(error).SerializeToString())))
    assert back is not None
    assert back.retryable


def test_call_that_failed_without_our_details_carries_no_error_of_ours():
    assert wire.from_rpc_error(call_error()) is None
    assert wire.from_rpc_error(call_error((wire.DETAILS_KEY, b"\xff\xff rubbish"))) is None
    assert wire.from_rpc_error(call_error(("x-other", "value"))) is None
    assert wire.engine_error("NO_SUCH_REASON", "text") is None
