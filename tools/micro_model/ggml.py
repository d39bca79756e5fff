"""Reads the head of whisper.cpp's model files, and writes such files.

A file is: magic, eleven sizes, mel filters, vocabulary, then tensors until it ends. All numbers are
little-endian. A tensor is: number of axes, length of its name, type, axes (last one first), name, values.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

MAGIC = 0x67676D6C
AUDIO_POSITIONS = 1500
TEXT_POSITIONS = 448
VOCABULARY_ENGLISH = 51_864
VOCABULARY_MULTILINGUAL = 51_865

TIMESTAMPS_PER_S = 50
LANGUAGES = ("en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl")
"""The first languages of Whisper in the order of their tokens."""

_QUANTIZED = 2000
"""Added to a file's type when its matrices are quantized: the format's version 2, times 1000."""
_FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7 + _QUANTIZED}
_TENSOR_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}


@dataclass(frozen=True, slots=True)
class Head:
    """What a file holds before its tensors, besides the sizes.

    Attributes:
        mel_filters: weight of each spectrum bin in each mel band, [80 bands, 201 bins].
        vocabulary: the bytes of each text token; a token's id is its place. whisper.cpp itself names
            the special tokens, which come after it.
    """

    mel_filters: Array
    vocabulary: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The shape of a model; encoder and decoder are equally wide.

    Attributes:
        vocabulary: number of tokens with the special ones. whisper.cpp tells by it whether a model is
            English or multilingual.
        width: floats in a position of the stream.
    """

    vocabulary: int
    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the tokens that are not text."""

    end: int
    start: int
    translate: int
    transcribe: int
    previous: int
    no_speech: int
    no_timestamps: int
    first_timestamp: int

    def timestamp(self, at_s: float) -> int:
        """Returns the token of a time in the window, 0 to 30 s."""
        if not 0 <= at_s <= 30:
            raise ValueError("a timestamp is within 30 seconds")
        return self.first_timestamp + round(at_s * TIMESTAMPS_PER_S)

    def language(self, code: str) -> int:
        """Returns the token of one of `LANGUAGES`."""
        return self.start + 1 + LANGUAGES.index(code)


ENGLISH = SpecialTokens(50256, 50257, 50357, 50358, 50360, 50361, 50362, 50363)
MULTILINGUAL = SpecialTokens(50257, 50258, 50358, 50359, 50361, 50362, 50363, 50364)


def read_head(path: Path) -> Head:
    """Reads mel filters and vocabulary of a model's file.

    Raises:
        ValueError: it is not such a file.
    """
    data = path.read_bytes()
    if len(data) < 56 or struct.unpack_from("<I", data)[0] != MAGIC:
        raise ValueError("not a whisper.cpp model")
    bands, bins = struct.unpack_from("<2i", data, 48)
    filters = np.frombuffer(data, "<f4", bands * bins, 56).reshape(bands, bins)
    at = 56 + 4 * bands * bins
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    vocabulary: list[bytes] = []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, at)
        vocabulary.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return Head(filters.astype(np.float32), tuple(vocabulary))


def write_model(path: Path, sizes: Sizes, head: Head, tensors: Iterable[tuple[str, Array]], kind: str) -> None:
    """Writes a model's file.

    Args:
        path: the file; replaced if it exists.
        sizes: the shape that `tensors` have.
        head: mel filters and vocabulary.
        tensors: name and values of each, in the names and axes of OpenAI's checkpoints.
        kind: how matrices are kept: `f32`, `f16` or `q8_0`. Vectors and positions are always `f32`,
            kernels of convolutions `f16` unless all is `f32`.
    """
    bands, bins = head.mel_filters.shape
    with path.open("wb") as file:
        file.write(
            struct.pack(
                "<I11i",
                MAGIC,
                sizes.vocabulary,
                AUDIO_POSITIONS,
                sizes.width,
                sizes.heads,
                sizes.encoder_layers,
                TEXT_POSITIONS,
                sizes.width,
                sizes.heads,
                sizes.decoder_layers,
                bands,
                _FILE_TYPES[kind],
            )
        )
        file.write(struct.pack("<2i", bands, bins) + head.mel_filters.astype("<f4").tobytes())
        file.write(struct.pack("<i", len(head.vocabulary)))
        file.write(b"".join(struct.pack("<I", len(token)) + token for token in head.vocabulary))
        for name, values in tensors:
            if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
                values = values.reshape(-1, 1)  # added to every position, so the file keeps them as columns
            stored = _tensor_kind(name, values, kind)
            axes = struct.pack(f"<{values.ndim}i", *reversed(values.shape))
            file.write(struct.pack("<3i", values.ndim, len(name), _TENSOR_TYPES[stored]) + axes)
            file.write(name.encode() + _encoded(values, stored))


def tensor_shapes(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields name and axes of every tensor of a model, in OpenAI's names."""
    width = sizes.width
    yield "encoder.positional_embedding", (AUDIO_POSITIONS, width)
    yield "encoder.conv1.weight", (width, 80, 3)
    yield "encoder.conv1.bias", (width,)
    yield "encoder.conv2.weight", (width, width, 3)
    yield "encoder.conv2.bias", (width,)
    yield "encoder.ln_post.weight", (width,)
    yield "encoder.ln_post.bias", (width,)
    for layer in range(sizes.encoder_layers):
        yield from _block_shapes(f"encoder.blocks.{layer}", ("attn",), width)
    yield "decoder.positional_embedding", (TEXT_POSITIONS, width)
    yield "decoder.token_embedding.weight", (sizes.vocabulary, width)
    yield "decoder.ln.weight", (width,)
    yield "decoder.ln.bias", (width,)
    for layer in range(sizes.decoder_layers):
        yield from _block_shapes(f"decoder.blocks.{layer}", ("attn", "cross_attn"), width)


def _block_shapes(block: str, attentions: Sequence[str], width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for attention in attentions:
        yield f"{block}.{attention}_ln.weight", (width,)
        yield f"{block}.{attention}_ln.bias", (width,)
        for matrix in ("query", "key", "value", "out"):
            yield f"{block}.{attention}.{matrix}.weight", (width, width)
            if matrix != "key":
                yield f"{block}.{attention}.{matrix}.bias", (width,)
    yield f"{block}.mlp_ln.weight", (width,)
    yield f"{block}.mlp_ln.bias", (width,)
    yield f"{block}.mlp.0.weight", (4 * width, width)
    yield f"{block}.mlp.0.bias", (4 * width,)
    yield f"{block}.mlp.2.weight", (width, 4 * width)
    yield f"{block}.mlp.2.bias", (width,)


def _tensor_kind(name: str, values: Array, kind: str) -> str:
    if values.ndim < 2 or name.endswith(("positional_embedding", "conv1.bias", "conv2.bias")):
        return "f32"
    return "f16" if "conv" in name and kind != "f32" else kind


def _encoded(values: Array, stored: str) -> bytes:
    if stored == "q8_0":
        return _q8_0(values)
    return np.ascontiguousarray(values).astype({"f32": "<f4", "f16": "<f2"}[stored]).tobytes()


def _q8_0(values: Array) -> bytes:
    """Packs values in blocks of 32: one half-float scale, then a signed byte each."""
    blocks = np.ascontiguousarray(values).reshape(-1, 32).astype(np.float32)
    scales = np.abs(blocks).max(1) / 127
    divisors = np.where(scales == 0, 1, scales)[:, None]
    steps = np.where(scales[:, None] > 0, np.round(blocks / divisors), 0).astype(np.int8)
    return np.concatenate([scales.astype("<f2")[:, None].view(np.uint8), steps.view(np.uint8)], 1).tobytes()
