"""A table as whisper writes it: start, end, text; times in milliseconds."""

from yt_text.formats.lines import one_line
from yt_text.transcript import Transcript


def render(transcript: Transcript) -> str:
    """Returns the transcript as tab-separated values with a header."""
    rows = (
        f"{segment.start_ms}\t{segment.end_ms}\t{text}\n"
        for segment in transcript.segments
        if (text := one_line(segment.text))
    )
    return "start\tend\ttext\n" + "".join(rows)
