"""Text in short, even lines, as subtitles need them."""

import unicodedata
from bisect import bisect_left

LINE_WIDTH = 42
"""Columns, as the subtitle guides of broadcasters have it. A Chinese character takes two."""

_NOT_FIRST = frozenset({"Pe", "Pf", "Po", "Mn", "Mc", "Me", "Lm", "Sk", "Cf"})
_NOT_LAST = frozenset({"Ps", "Pi", "Cf"})


def wrap(text: str, width: int = LINE_WIDTH, lines_per_block: int = 2) -> list[str]:
    """Returns the text in lines of at most `width` columns and about equal length.

    More lines than one come in multiples of `lines_per_block`, where the words allow it. A word that is wider
    than a line is left whole and has a line of its own.
    """
    pieces = _pieces(text)
    if not pieces:
        return []
    needed = _count(pieces, width)
    if needed == 1:
        return _fill(pieces, width)
    wanted = -(-needed // lines_per_block) * lines_per_block
    narrowest = bisect_left(range(width), True, key=lambda columns: _count(pieces, columns) <= wanted)
    return _fill(pieces, narrowest)


def _count(pieces: list[tuple[str, int]], width: int) -> int:
    """Returns how many lines `_fill` would make, several times quicker."""
    lines, used = 1, 0
    for piece, columns in pieces:
        if used and used + columns - (piece[-1] == " ") > width:
            lines += 1
            used = 0
        used += columns
    return lines


def _fill(pieces: list[tuple[str, int]], width: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for piece, columns in pieces:
        if used and used + columns - piece.endswith(" ") > width:
            lines.append(line.rstrip(" "))
            line, used = "", 0
        line += piece
        used += columns
    lines.append(line.rstrip(" "))
    return lines


def _pieces(text: str) -> list[tuple[str, int]]:
    """Returns what must stay together, each with the space after it, and its width in columns."""
    pieces: list[tuple[str, int]] = []
    for word in text.split(" "):
        if not word:
            continue
        if word.isascii():
            pieces.append((word + " ", len(word) + 1))
        else:
            pieces += _split_wide(word)
            last, columns = pieces[-1]
            pieces[-1] = last + " ", columns + 1
    return pieces


def _split_wide(word: str) -> list[tuple[str, int]]:
    """Cuts Chinese and Japanese between characters, but not before a closing mark or after an opening one."""
    pieces: list[tuple[str, int]] = []
    piece, used, was_between, was_opening = "", 0, False, False
    for character in word:
        category = unicodedata.category(character)
        wide = unicodedata.east_asian_width(character) in "WF"
        between = wide and not _is_hangul(character)
        if piece and (between or was_between) and category not in _NOT_FIRST and not was_opening:
            pieces.append((piece, used))
            piece, used = "", 0
        piece += character
        used += 2 if wide else 0 if category in ("Mn", "Me", "Cf") else 1
        was_between, was_opening = between, category in _NOT_LAST
    pieces.append((piece, used))
    return pieces


def _is_hangul(character: str) -> bool:
    """Korean has wide characters, and spaces between its words."""
    return "\u1100" <= character <= "\u11ff" or "\uac00" <= character <= "\ud7af"
