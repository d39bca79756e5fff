"""WebVTT subtitles, with the words' times where they are known."""

from yt_text.formats.cues import Cue, cues
from yt_text.formats.lines import clock
from yt_text.transcript import Transcript

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render(transcript: Transcript) -> str:
    """Returns the transcript as WebVTT."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript.segments):
        times = f"{clock(cue.start_ms, '.')} --> {clock(cue.end_ms, '.')}"
        voice = f"<v {cue.speaker_label.translate(_ESCAPES)}>" if cue.speaker_label else ""
        blocks.append(f"{times}\n{voice}{_text(cue)}\n")
    return "\n".join(blocks)


def _text(cue: Cue) -> str:
    if not cue.marks:
        return "\n".join(cue.lines).translate(_ESCAPES)
    times = {mark.position: mark.time_ms for mark in cue.marks}
    position, written = 0, list[str]()
    for line_number, line in enumerate(cue.lines):
        if line_number:
            written.append("\n")
        for character in line:
            if character == " ":
                written.append(character)
                continue
            if position in times:
                written.append(f"<{clock(times[position], '.')}>")
            written.append(character.translate(_ESCAPES))
            position += 1
    return "".join(written)
