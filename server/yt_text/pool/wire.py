"""The engine contract's messages and errors, to and from our own values."""

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from yt_text.engine.v1 import engine_service_pb2 as pb
from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.errors import EngineError, Reason
from yt_text.transcript import Segment, Word

DOMAIN = "yt-text"
DETAILS_KEY = "grpc-status-details-bin"

_CODES = {
    Reason.INVALID_REQUEST: code_pb2.INVALID_ARGUMENT,
    Reason.LANGUAGE_NOT_SUPPORTED: code_pb2.INVALID_ARGUMENT,
    Reason.OPTION_NOT_SUPPORTED: code_pb2.INVALID_ARGUMENT,
    Reason.MODEL_NOT_FOUND: code_pb2.FAILED_PRECONDITION,
    Reason.MODEL_INVALID: code_pb2.FAILED_PRECONDITION,
    Reason.ENGINE_FAILED: code_pb2.INTERNAL,
}


def to_request(pcm: bytes, options: ChunkOptions) -> pb.TranscribeChunkRequest:
    """The request for one chunk."""
    return pb.TranscribeChunkRequest(
        pcm=pcm,
        language_code=options.language_code,
        translate=options.translate,
        enable_word_offsets=options.word_offsets,
        prompt=options.prompt,
    )


def from_request(request: pb.TranscribeChunkRequest) -> ChunkOptions:
    """The options of a request; `pcm` is taken from it as it is."""
    return ChunkOptions(
        language_code=request.language_code,
        translate=request.translate,
        word_offsets=request.enable_word_offsets,
        prompt=request.prompt,
    )


def to_response(result: ChunkResult) -> pb.TranscribeChunkResponse:
    """The response with a chunk's segments."""
    return pb.TranscribeChunkResponse(
        segments=[
            pb.ChunkSegment(
                start_ms=segment.start_ms,
                end_ms=segment.end_ms,
                text=segment.text,
                avg_logprob=segment.avg_logprob,
                words=[
                    pb.ChunkWord(
                        word=word.text,
                        start_ms=word.start_ms,
                        end_ms=word.end_ms,
                        confidence=word.confidence,
                    )
                    for word in segment.words
                ],
            )
            for segment in result.segments
        ],
        language_code=result.language_code,
        language_confidence=result.language_confidence,
    )


def from_response(response: pb.TranscribeChunkResponse) -> ChunkResult:
    """A chunk's segments out of the response."""
    return ChunkResult(
        tuple(
            Segment(
                segment.start_ms,
                segment.end_ms,
                segment.text,
                tuple(Word(w.word, w.start_ms, w.end_ms, w.confidence) for w in segment.words),
                segment.avg_logprob,
            )
            for segment in response.segments
        ),
        response.language_code,
        response.language_confidence,
    )


def to_status(error: EngineError) -> status_pb2.Status:
    """An engine's error as a status with `ErrorInfo`."""
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    return status_pb2.Status(code=_CODES.get(error.reason, code_pb2.UNKNOWN), message=error.message, details=[info])


def from_rpc_error(error: grpc.aio.AioRpcError) -> EngineError | None:
    """The engine's error that a failed call carries; None if it carries none, as when the child died."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return _from_details(value)
    return None


def _from_details(data: bytes) -> EngineError | None:
    info = error_details_pb2.ErrorInfo()
    try:
        status = status_pb2.Status.FromString(data)
        if any(detail.Unpack(info) for detail in status.details) and info.domain == DOMAIN:
            return engine_error(info.reason, status.message, dict(info.metadata))
    except DecodeError:
        return None
    return None


def engine_error(reason: str, message: str, metadata: dict[str, Any] | None = None) -> EngineError | None:
    """An engine's error from its parts; None if the reason is none of ours."""
    try:
        known = Reason(reason)
    except ValueError:
        return None
    facts = {str(key): str(value) for key, value in (metadata or {}).items()}
    return EngineError(known, message, retryable=known is Reason.ENGINE_FAILED, **facts)
