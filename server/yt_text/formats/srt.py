"""SubRip subtitles."""

from yt_text.formats.cues import cues
from yt_text.formats.lines import clock
from yt_text.transcript import Transcript


def render(transcript: Transcript) -> str:
    """Returns the transcript as SubRip.

    SubRip has no way to escape its own arrow, so `-->` in the text becomes `→`.
    """
    blocks: list[str] = []
    for number, cue in enumerate(cues(transcript.segments), 1):
        text = "\n".join(cue.lines).replace("-->", "→")
        blocks.append(f"{number}\n{clock(cue.start_ms, ',')} --> {clock(cue.end_ms, ',')}\n{text}\n")
    return "\n".join(blocks)
