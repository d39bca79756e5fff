"""Plain text: a line a segment, as whisper writes it."""

from yt_text.formats.lines import one_line
from yt_text.transcript import Transcript


def render(transcript: Transcript) -> str:
    """Returns the transcript as plain text."""
    return "".join(f"{text}\n" for segment in transcript.segments if (text := one_line(segment.text)))
