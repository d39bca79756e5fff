"""Model files of whisper.cpp: are they whole, what is in them.

The library ends its process, or takes all memory, on a file that is cut short, is a web page, or has
nonsense in its header. So every file is walked through before it is loaded: magic number, sizes, filters,
vocabulary, and the head of each tensor, without reading their values (a few milliseconds).
"""

import hashlib
import struct
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from yt_text.errors import EngineError, Reason

_MAGIC = b"lmgg"
_OTHER_FORMATS = {b"GGUF": "GGUF", b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip"}
_MULTILINGUAL_VOCABULARY = 51865
_TENSORS_APART_FROM_LAYERS = 11
_TENSORS_OF_AUDIO_LAYER = 15
_TENSORS_OF_TEXT_LAYER = 24

# Tensor type -> (values in a block, bytes of a block), as ggml numbers them.
_BLOCKS = {
    0: (1, 4),  # f32
    1: (1, 2),  # f16
    2: (32, 18),  # q4_0
    3: (32, 20),  # q4_1
    6: (32, 22),  # q5_0
    7: (32, 24),  # q5_1
    8: (32, 34),  # q8_0
    10: (256, 84),  # q2_K
    11: (256, 110),  # q3_K
    12: (256, 144),  # q4_K
    13: (256, 176),  # q5_K
    14: (256, 210),  # q6_K
}


@dataclass(frozen=True, slots=True)
class Header:
    """The numbers at the head of a model file."""

    n_vocab: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int
    n_mels: int
    ftype: int

    @property
    def multilingual(self) -> bool:
        """Whether the model knows more than English."""
        return self.n_vocab >= _MULTILINGUAL_VOCABULARY

    @property
    def n_languages(self) -> int:
        """How many languages the model knows: the first ones of `WHISPER_LANGUAGES`."""
        return self.n_vocab - _MULTILINGUAL_VOCABULARY + 99 if self.multilingual else 1


def read_header(path: Path) -> Header:
    """Reads the header alone.

    Raises:
        EngineError: `MODEL_INVALID`, `MODEL_NOT_FOUND`.
    """
    with _open(path) as file:
        return _header(file)


def check(path: Path) -> Header:
    """Walks through the whole file.

    Raises:
        EngineError: `MODEL_INVALID` with what is wrong, `MODEL_NOT_FOUND`.
    """
    with _open(path) as file:
        header = _header(file)
        _check_filters_and_vocabulary(file, header)
        _check_tensors(file, header, path.stat().st_size)
    return header


_known_sums: dict[tuple[str, int, int], str] = {}
_MAX_KNOWN_SUMS = 64


def sha256(path: Path) -> str:
    """SHA-256 of a file as hex; remembered until the file changes.

    Raises:
        EngineError: `MODEL_NOT_FOUND`.
    """
    with _open(path) as file:
        about = path.stat()
        key = (str(path), about.st_mtime_ns, about.st_size)
        if key not in _known_sums:
            if len(_known_sums) >= _MAX_KNOWN_SUMS:
                _known_sums.clear()
            _known_sums[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _known_sums[key]


def _open(path: Path) -> BufferedReader:
    try:
        if not path.is_file():
            raise EngineError(Reason.MODEL_NOT_FOUND, "The model file does not exist or is not a file.")
        return path.open("rb")
    except OSError:
        raise EngineError(Reason.MODEL_NOT_FOUND, "The model file cannot be opened. Check who may read it.") from None


def _invalid(what: str) -> EngineError:
    return EngineError(
        Reason.MODEL_INVALID, f"The model file is not usable: {what}. Download it again or choose another."
    )


def _read(file: BufferedReader, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _invalid("it is cut short")
    return data


def _ints(file: BufferedReader, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}i", _read(file, 4 * count))


def _header(file: BufferedReader) -> Header:
    start = file.read(64)
    if not start:
        raise _invalid("it is empty")
    if start[:4] != _MAGIC:
        raise _invalid(_what_it_is(start))
    if len(start) < 48:
        raise _invalid("it is cut short")
    file.seek(48)
    header = Header(*struct.unpack("<11i", start[4:48]))
    plausible = (
        51864 <= header.n_vocab <= 51866
        and header.n_audio_ctx == 1500
        and header.n_text_ctx == 448
        and header.n_audio_state == header.n_text_state
        and 0 < header.n_audio_state <= 4096
        and _fits(header.n_audio_head, header.n_audio_state)
        and _fits(header.n_text_head, header.n_text_state)
        and 0 < header.n_audio_layer <= 64
        and 0 < header.n_text_layer <= 64
        and header.n_mels in (80, 128)
        and 0 <= header.ftype % 1000 <= 20
    )
    if not plausible:
        raise _invalid("its header is damaged, or it is not a Whisper model")
    return header


def _fits(heads: int, state: int) -> bool:
    return 0 < heads <= 64 and state % heads == 0


def _what_it_is(start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, not a model"
    if text.startswith(b"version https://git-lfs"):
        return "it is a pointer to a large file, not the file itself"
    for magic, name in _OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"it is a {name} file, not a ggml model"
    return "it is not a ggml model"


def _check_filters_and_vocabulary(file: BufferedReader, header: Header) -> None:
    n_mels, n_frequencies = _ints(file, 2)
    if (n_mels, n_frequencies) != (header.n_mels, 201):
        raise _invalid("its filters are damaged")
    _read(file, n_mels * n_frequencies * 4)
    (n_entries,) = _ints(file, 1)
    if not 0 < n_entries <= header.n_vocab:
        raise _invalid("its vocabulary is damaged")
    for _ in range(n_entries):
        (length,) = _ints(file, 1)
        if not 0 <= length <= 1024:
            raise _invalid("its vocabulary is damaged")
        _read(file, length)


def _check_tensors(file: BufferedReader, header: Header, size: int) -> None:
    names: set[bytes] = set()
    position = file.tell()
    while position < size:
        n_dims, name_length, kind = _ints(file, 3)
        if not (1 <= n_dims <= 4 and 0 < name_length < 128 and kind in _BLOCKS):
            raise _invalid("a tensor's head is damaged")
        values = 1
        for length in _ints(file, n_dims):
            if not 0 < length <= 1 << 24:
                raise _invalid("a tensor's head is damaged")
            values *= length
        names.add(_read(file, name_length))
        block_values, block_bytes = _BLOCKS[kind]
        position = file.tell() + values // block_values * block_bytes
        if values % block_values or position > size:
            raise _invalid("it is cut short")
        file.seek(position)
    expected = (
        _TENSORS_APART_FROM_LAYERS
        + _TENSORS_OF_AUDIO_LAYER * header.n_audio_layer
        + _TENSORS_OF_TEXT_LAYER * header.n_text_layer
    )
    if len(names) != expected:
        raise _invalid("it is cut short" if len(names) < expected else "it holds too many tensors")
