"""Reads TTML captions, also known as DFXP: paragraphs of an XML document, each with its times."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from yt_text.intake.captions_cue import Cue, Piece, UnreadableError

_CLOCK = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)(?::(\d{1,4})(?:\.\d{1,9})?)?")
_OFFSET = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(h|ms|m|s|f|t)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0, "ms": 0.001}
_BREAK = "\x1f"
"""Stands for <br/>, which alone ends a line; no XML document holds it."""


class _Clock:
    """Times as a document counts them."""

    def __init__(self, root: ET.Element) -> None:
        rates = {_name(key): value for key, value in root.attrib.items()}
        frame_rate, tick_rate = _rate(rates.get("frameRate")), _rate(rates.get("tickRate"))
        self._seconds = {**_SECONDS, "f": 1 / (frame_rate or 30), "t": 1 / (tick_rate or 1)}

    def ms(self, expression: str | None) -> int | None:
        """Milliseconds of a time, None if it is none."""
        expression = (expression or "").strip()
        if found := _CLOCK.fullmatch(expression):
            seconds = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
            return round((seconds + int(found[4] or 0) * self._seconds["f"]) * 1000)
        if found := _OFFSET.fullmatch(expression):
            return round(float(found[1]) * self._seconds[found[2] or ""] * 1000)
        return None


def read(text: str) -> list[Cue]:
    """Returns the cues of a TTML document.

    Raises:
        UnreadableError: it is none.
    """
    if "<!ENTITY" in text:
        raise UnreadableError
    try:
        root = ET.fromstring(text)  # noqa: S314 - no entities are let in, and expat opens no files
    except (ET.ParseError, ValueError) as error:
        raise UnreadableError from error
    if _name(root.tag) != "tt":
        raise UnreadableError
    clock = _Clock(root)
    cues: list[Cue] = []
    for paragraph in _paragraphs(root):
        start_ms = clock.ms(paragraph.get("begin"))
        if start_ms is None:
            continue
        length_ms = clock.ms(paragraph.get("dur"))
        end_ms = start_ms + length_ms if length_ms is not None else clock.ms(paragraph.get("end"))
        shown = tuple((Piece(line),) for line in "".join(_text(paragraph)).split(_BREAK) if line.strip())
        cues.append(Cue(start_ms, start_ms if end_ms is None else end_ms, shown))
    return cues


def _paragraphs(root: ET.Element) -> Iterator[ET.Element]:
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if _name(element.tag) == "p":
            yield element
        else:
            waiting += reversed(element)


def _text(paragraph: ET.Element) -> Iterator[str]:
    for event, element in _walk(paragraph):
        if event == "start":
            yield _BREAK if _name(element.tag) == "br" else ""
            yield element.text or ""
        elif element is not paragraph:
            yield element.tail or ""


def _walk(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Goes through a tree as it is written, however deep it is."""
    waiting = [("start", root)]
    while waiting:
        event, element = waiting.pop()
        yield event, element
        if event == "start":
            waiting.append(("end", element))
            waiting += [("start", child) for child in reversed(element)]


def _name(tag: object) -> str:
    """A name without its namespace, of which TTML had several."""
    return str(tag).rpartition("}")[2]


def _rate(value: str | None) -> float:
    return float(value) if value is not None and re.fullmatch(r"\d{1,9}", value) else 0.0
