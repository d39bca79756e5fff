"""Models for tests: small, of our own making, run by the real engines.

`MICRO` recognises 85 English words (see `tools/micro_model`): for tests that ask whether what was said
comes out, in order and at its time. `wired_model` builds a model that recites a given script: for tests that
compare text exactly. What the public Whisper models hear is measured by neither.
"""

from pathlib import Path

from tests.wired import HIGH, LOW, TRANSLATION, Line, Script, Wiring
from tools.micro_model.ggml import read_head, write_model

__all__ = ["HIGH", "LOW", "MICRO", "TRANSLATION", "Line", "Script", "wired_model"]

MICRO = Path(__file__).parent / "data" / "models" / "micro-en-q8_0.bin"
"""A trained English Whisper for whisper.cpp, 10 MB. Use it with timestamps, one thread, no carried prompt."""


def wired_model(
    path: Path,
    *,
    multilingual: bool = True,
    low: Script = LOW,
    high: Script = HIGH,
    translation: Script = TRANSLATION,
    language: str = "de",
    encoder_layers: int = 1,
) -> Path:
    """Writes a model for whisper.cpp that recites a script to any window with sound; silence gives nothing.

    Tones below about 1.5 kHz count as low-pitched, above 2.5 kHz as high-pitched, white noise as low-pitched.
    Speech is both at once, so pass `high=()` where the sound is speech. Loud means above about -30 dBFS for a
    tone. A call takes 0.04 s of computing, one in silence 0.15 s.

    Args:
        path: the file to write, 7 MB; replaced if it exists.
        multilingual: with languages and translation, or English only.
        low: what low-pitched sound gives. A token may occur once in all three scripts together, timestamps
            too, and they have room for about 100 tokens.
        high: what high-pitched sound gives; if empty, any sound gives `low`.
        translation: what the task "translate" gives with timestamps (multilingual models).
        language: what language detection finds, one of `tools.micro_model.ggml.LANGUAGES` (multilingual models).
        encoder_layers: each costs 0.015 s of computing a call, and changes nothing else.

    Returns:
        `path`.

    Raises:
        ValueError: the scripts repeat a token, or are too long.
    """
    head = read_head(MICRO)
    wiring = Wiring(multilingual, low, high, translation, language, encoder_layers)
    write_model(path, wiring.sizes, head, wiring.tensors(head.vocabulary), "f16")
    return path
