"""Takes back what rolling captions repeat.

YouTube's automatic captions, and others that roll, show each line twice: first while it is said, then once
more above the next one. Between these, YouTube has a cue of a hundredth of a second that only moves a line up:

    00:00:01.000 --> 00:00:03.000           00:00:03.010 --> 00:00:05.000
    (blank)                                 so here we
    so here we                              are again

    00:00:03.000 --> 00:00:03.010
    so here we
    (blank)

What a cue shows of the one before it is not said again. But people do say things twice, so only in a file
that rolls as a whole are lines taken back, and a cue that stands for longer always adds something.
"""

from collections.abc import Sequence
from itertools import pairwise

from yt_text.intake.captions_cue import Cue, Line, Piece
from yt_text.intake.captions_text import clean

_HOLD_MS = 50
_MIN_CARRIES = 3
_MAX_CARRIED = 8
_ADJOINING_MS = 100

Shown = tuple[str, ...]


def fold(cues: Sequence[Cue]) -> list[Cue]:
    """Returns the cues with only the lines that each adds, if these captions roll; else as they are."""
    shown = [tuple(text for line in cue.lines if (text := _text(line))) for cue in cues]
    if not _rolls(cues, shown):
        return list(cues)
    folded: list[Cue] = []
    screen: Shown = ()
    end_ms = 0
    for cue, texts in zip(cues, shown, strict=True):
        if cue.lines and not _text(cue.lines[0]):
            screen = screen if texts and _ends_blank(cue) else ()  # the screen was cleared
        # A cue that stands for a while with as many lines as before adds at least one.
        most = len(texts) if _holds(cue) or len(texts) < len(screen) else len(texts) - 1
        lines, words = _carried(screen, texts, most, may_grow=cue.start_ms - end_ms <= _ADJOINING_MS)
        added = [line for line in cue.lines if _text(line)][lines:]
        if words:
            added[0] = _without_words(added[0], words)
        if added:
            folded.append(Cue(cue.start_ms, cue.end_ms, tuple(added)))
        screen, end_ms = texts, cue.end_ms
    return folded


def _rolls(cues: Sequence[Cue], shown: Sequence[Shown]) -> bool:
    """Tells whether captions roll: many cues only hold a line, or most show a line of the one before."""
    holds = carries = 0
    for (before, texts), cue in zip(pairwise(shown), cues[1:], strict=True):
        if not texts:
            continue
        if _holds(cue) and before[-len(texts) :] == texts:
            holds += 1
        elif before != texts and any(_carried(before, texts, len(texts) - 1, may_grow=True)):
            carries += 1
    return 3 * holds >= max(len(cues), 2) or (carries >= _MIN_CARRIES and 2 * carries >= len(cues) - 1)


def _carried(screen: Shown, texts: Shown, most: int, *, may_grow: bool) -> tuple[int, int]:
    """Returns how many lines were on the screen before, and how many words of the line behind them."""
    for count in range(min(most, len(screen), _MAX_CARRIED), 0, -1):
        if screen[-count:] == texts[:count]:
            return count, 0
    for count in range(min(len(texts), len(screen), _MAX_CARRIED) if may_grow else 0, 0, -1):
        old, grown = screen[-1].split(), texts[count - 1].split()
        if screen[-count:-1] == texts[: count - 1] and len(old) < len(grown) and grown[: len(old)] == old:
            return count - 1, len(old)
    return 0, 0


def _holds(cue: Cue) -> bool:
    return cue.end_ms - cue.start_ms <= _HOLD_MS or _ends_blank(cue)


def _ends_blank(cue: Cue) -> bool:
    return bool(cue.lines) and not _text(cue.lines[-1])


def _text(line: Line) -> str:
    return clean("".join(piece.text for piece in line))


def _without_words(line: Line, count: int) -> Line:
    """Returns a line without its first words."""
    kept: list[Piece] = []
    for piece in line:
        words = piece.text.split()
        if count < len(words) or kept:
            kept.append(Piece(" ".join(words[count:]), piece.start_ms, piece.confidence) if count else piece)
        count = max(0, count - len(words))
    return tuple(kept)
