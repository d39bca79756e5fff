"""What a child says to its parent: records on a pipe, each a small JSON header and the bytes it announces.

2 x 32 bits, big-endian     length of the header, length of the payload
header                      {"kind": "progress" | "chunk" | "end" | "error", ...}
payload                     the PCM of a chunk; empty otherwise
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from yt_text.audio.timeline import BYTES_PER_SAMPLE, Chunk, Piece
from yt_text.engines.engine import SAMPLE_RATE
from yt_text.errors import MediaError, Problem, Reason

LENGTHS = struct.Struct(">II")
HEADER_BYTES_MAX = 1 << 18


def pack(header: Mapping[str, object], payload: bytes = b"") -> list[bytes]:
    """Returns the parts of a record, to be written one after the other."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return [LENGTHS.pack(len(text), len(payload)) + text, payload]


def unpack_lengths(data: bytes, max_chunk_ms: int) -> tuple[int, int]:
    """Reads how long header and payload are. Raises ValueError if they are longer than can be."""
    header_bytes, payload_bytes = LENGTHS.unpack(data)
    if header_bytes > HEADER_BYTES_MAX or payload_bytes > max_chunk_ms * SAMPLE_RATE // 1000 * BYTES_PER_SAMPLE:
        raise ValueError("a record is longer than it can be")
    return header_bytes, payload_bytes


def chunk_header(chunk: Chunk) -> dict[str, object]:
    """Describes a chunk; its PCM is the payload."""
    pieces = [[piece.chunk_start, piece.start, piece.length] for piece in chunk.pieces]
    return {"kind": "chunk", "index": chunk.index, "pieces": pieces, "end": chunk.end}


def read_chunk(header: Mapping[str, Any], pcm: bytes) -> Chunk:
    """Reads a chunk's header back."""
    pieces = tuple(Piece(*(int(number) for number in piece)) for piece in header["pieces"])
    return Chunk(int(header["index"]), pieces, pcm, int(header["end"]))


def progress_header(decoded_ms: int, declared_ms: int) -> dict[str, object]:
    """Says how much is decoded, and how long the recording says it is; 0 if it does not say."""
    return {"kind": "progress", "decoded_ms": decoded_ms, "declared_ms": declared_ms}


def error_header(error: MediaError) -> dict[str, object]:
    """Describes an error that ends the work."""
    return {"kind": "error", "retryable": error.retryable, **_problem(error.problem)}


def read_error(header: Mapping[str, Any]) -> MediaError:
    """Reads an error back."""
    problem = _read_problem(header)
    return MediaError(problem.reason, problem.message, retryable=bool(header["retryable"]), **dict(problem.metadata))


def end_header(*, duration_ms: int, speech_ms: int, chunk_count: int, warnings: Sequence[Problem]) -> dict[str, object]:
    """Describes the end of a recording."""
    return {
        "kind": "end",
        "duration_ms": duration_ms,
        "speech_ms": speech_ms,
        "chunk_count": chunk_count,
        "warnings": [_problem(warning) for warning in warnings],
    }


def read_warnings(header: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Reads the warnings in an end's header."""
    return tuple(_read_problem(warning) for warning in header["warnings"])


def _problem(problem: Problem) -> dict[str, object]:
    return {"reason": problem.reason, "message": problem.message, "metadata": dict(problem.metadata)}


def _read_problem(header: Mapping[str, Any]) -> Problem:
    return Problem(Reason(header["reason"]), str(header["message"]), dict(header["metadata"]))
