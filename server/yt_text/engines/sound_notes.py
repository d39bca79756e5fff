"""Tells text that somebody said from notes of sounds: [BLANK_AUDIO], (music), *sighs*."""

import re

# In round, square or wide brackets, or between stars.
_NOTE = re.compile("\\[[^\\]]*\\]|\\([^)]*\\)|\uff08[^\uff09]*\uff09|\u3010[^\u3011]*\u3011|\\*[^*]*\\*")


def is_said(text: str) -> bool:
    """Whether the text holds a letter or digit that is not part of a note."""
    return any(character.isalnum() for character in _NOTE.sub("", text))
