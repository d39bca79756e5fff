"""What every engine offers: one loaded model that turns one chunk of sound into segments."""

from dataclasses import dataclass
from threading import Event
from typing import Protocol

from yt_text.transcript import Segment

SAMPLE_RATE = 16_000
"""Samples a second of all sound inside the service: mono, signed 16-bit little-endian."""


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """How to transcribe one chunk.

    Attributes:
        language_code: BCP-47 tag, or `auto`.
        word_offsets: give times to words.
        prompt: text that helps the engine along; may be empty.
    """

    language_code: str = "auto"
    translate: bool = False
    word_offsets: bool = False
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """Segments of one chunk, in order, times in milliseconds from its start.

    `compute_ms`, how long the engine took, is filled in by who calls it.
    """

    segments: tuple[Segment, ...]
    language_code: str = ""
    language_confidence: float = 0.0
    compute_ms: int = 0


class Engine(Protocol):
    """One loaded model. Used by one thread at a time; keeps nothing from call to call."""

    name: str
    """Stable name, such as `whisper.cpp`."""
    model: str
    """The loaded model's name."""
    model_sha256: str
    """SHA-256 of the model's file as hex; empty if the model is not one file."""
    max_chunk_ms: int
    """Longest chunk it takes."""

    def transcribe(self, pcm: bytes, options: ChunkOptions, cancel: Event) -> ChunkResult:
        """Turns one chunk into segments.

        Args:
            pcm: 16 kHz mono signed 16-bit little-endian, at most `max_chunk_ms` long, any length from
                empty upwards.
            options: how.
            cancel: when set, the computation stops soon; what is returned then means nothing.

        Raises:
            EngineError: `INVALID_REQUEST`: the PCM is malformed or too long; `LANGUAGE_NOT_SUPPORTED`,
                `OPTION_NOT_SUPPORTED`, `ENGINE_FAILED`.
        """
        ...

    def close(self) -> None:
        """Frees the model."""
        ...
