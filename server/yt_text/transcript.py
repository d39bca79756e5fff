"""What was said: words, segments, a whole transcript. Pure values; times in milliseconds."""

from dataclasses import dataclass
from enum import StrEnum


class TextOrigin(StrEnum):
    """Where text comes from."""

    SPEECH = "speech"
    CAPTIONS = "captions"
    CAPTIONS_THEN_SPEECH = "captions_then_speech"


@dataclass(frozen=True, slots=True)
class Word:
    """One word, without surrounding space; `confidence` in [0, 1], 0 if unknown."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech.

    Times are from the beginning of the recording (in an engine's answer: of the chunk), and
    `start_ms <= end_ms`. `words` is empty unless asked for. `avg_logprob` is 0 if the engine has none.
    """

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    avg_logprob: float = 0.0
    speaker_label: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything said in one recording; `segments` in order of time."""

    job_id: str
    segments: tuple[Segment, ...]
    language_code: str = ""
    language_confidence: float = 0.0
    duration_ms: int = 0
    text_origin: TextOrigin = TextOrigin.SPEECH
    engine: str = ""
    model: str = ""
    model_sha256: str = ""
    processing_ms: int = 0
    title: str = ""

    @property
    def text(self) -> str:
        """All segments' text, joined as read."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def word_count(self) -> int:
        """Words in the text, split at white space."""
        return sum(len(segment.text.split()) for segment in self.segments)
