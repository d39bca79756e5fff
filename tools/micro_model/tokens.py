"""The model's closed vocabulary.

Of 51,864 tokens the model uses 1,595: those that spell its words, five special ones, and the timestamps. It is
trained on these alone, numbered from 0 ("compact"); the export puts each row back into its full place.
"""

from pathlib import Path

from tools.micro_model.ggml import ENGLISH, VOCABULARY_ENGLISH, read_head
from tools.micro_model.speech import WORDS

MODEL = Path(__file__).parents[2] / "tests" / "data" / "models" / "micro-en-q8_0.bin"
"""Our own model's file: mel filters and vocabulary are read from it."""

HEAD = read_head(MODEL)
_IDS = {token: place for place, token in enumerate(HEAD.vocabulary)}


def _spelled(text: str) -> list[int]:
    """Splits text into tokens, the longest that fits first."""
    data, tokens = text.encode(), list[int]()
    while data:
        length = next(n for n in range(len(data), 0, -1) if data[:n] in _IDS)
        tokens.append(_IDS[data[:length]])
        data = data[length:]
    return tokens


def _word_tokens(word: str) -> list[int]:
    """Returns the tokens of " word" or " Word", whichever are fewer."""
    return min((_spelled(f" {form}") for form in (word, word.capitalize())), key=len)


_WORD_TOKENS = [_word_tokens(word) for word in WORDS]
_TEXT = sorted({token for tokens in _WORD_TOKENS for token in tokens})
_SPECIAL = [ENGLISH.end, ENGLISH.start, ENGLISH.previous, ENGLISH.no_speech, ENGLISH.no_timestamps]

ACTIVE = [*_TEXT, *_SPECIAL, *range(ENGLISH.first_timestamp, VOCABULARY_ENGLISH)]
"""The full id of each compact one."""
TEXT_COUNT = len(_TEXT)
"""Compact ids below this are text."""

_COMPACT = {token: place for place, token in enumerate(ACTIVE)}
WORD_TOKENS = [[_COMPACT[token] for token in tokens] for tokens in _WORD_TOKENS]
"""Compact ids of each word."""
END, START, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS = (_COMPACT[token] for token in _SPECIAL)
FIRST_TIMESTAMP = _COMPACT[ENGLISH.first_timestamp]
