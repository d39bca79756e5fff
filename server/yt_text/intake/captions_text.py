"""The text of caption files: which encoding it is in, and what of it nobody should see."""

import codecs
import contextlib
import re

import charset_normalizer

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, which begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 64 << 10
# Control characters but white space; marks that only a typesetter needs; halves of characters.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb\ud800-\udfff]")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")


def decode(data: bytes, charset: str = "") -> str:
    """Returns the text of a file.

    Args:
        data: the file.
        charset: what is said of its encoding, believed only if it is not plainly another.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    head = data[:1024]
    if head.count(0) * 4 > len(head):  # every other byte of Latin text in UTF-16
        return data.decode("utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be", "replace")
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    # A few broken characters do not make it another encoding.
    if broken * 10 <= len(_NON_ASCII.findall(text)):
        return text
    with contextlib.suppress(LookupError, ValueError):
        if charset and codecs.lookup(charset).name != "utf-8":
            return codecs.decode(data, charset, "replace")
    guess = charset_normalizer.from_bytes(data[:_SAMPLE_BYTES]).best()
    return data.decode(guess.encoding if guess is not None else "cp1252", "replace")


def clean(text: str) -> str:
    """Returns text on one line, with single spaces and without what cannot be seen."""
    return " ".join(_UNSEEN.sub("", text).split())
