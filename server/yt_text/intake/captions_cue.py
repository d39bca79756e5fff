"""What all forms of caption files come down to."""

from dataclasses import dataclass


class UnreadableError(Exception):
    """It is not a caption file, or a broken one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; `start_ms` is when it is said, None if the file does not tell.

    `confidence` is in [0, 1], 0 if unknown.
    """

    text: str
    start_ms: int | None = None
    confidence: float = 0.0


Line = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at one time, as the file has it: times may be out of order, text may be blank."""

    start_ms: int
    end_ms: int
    lines: tuple[Line, ...]
