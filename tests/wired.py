"""A Whisper whose weights are set by hand, so that the unmodified engine says what a test told it to say.

It is not trained and knows no speech. It tells three sounds apart and recites a script for two of them:

    quiet                            nothing (the no-speech token)
    energy in the low mel bands      `low`, line by line, with its timestamps
    energy in the high mel bands     `high`; if that is empty, `low`
    either, task "translate"         `translation` (multilingual models, with timestamps)
    language detection               `language` (multilingual models)

The width is 64 and nearly all weights are zero: a block of zeros adds nothing to the stream and so passes it
on. What is left:

Encoder. The convolutions turn the mel spectrum into three channels: LOUD (the low bands carry energy), QUIET
(a constant) and HIGH (the high bands are louder than the low ones). LOUD and HIGH are amplified so much that
the last layer norm leaves only the strongest of the three, near 8 = sqrt(64), in each position.

Decoder, cross-attention. The query is a constant that prefers LOUD and HIGH positions, so that any sound in
the window outweighs the quiet around it. What it finds there is put into the stream: `_SILENCE` if only QUIET
was found, `_HIGH` if HIGH was.

Decoder, MLP. Every token that matters has a row of a Hadamard matrix as its embedding: rows of +1 and -1 that
are at right angles to each other. Each hidden unit is one rule "token a was last, so b is next": its input
weights are the row of a, its bias a threshold, its output weights the row of b, at a gain that drowns the
rest of the stream. The same rows then serve as the output matrix, so b gets the highest score. As a rule sees
the last token only, a token may occur once in all scripts together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tools.micro_model.ggml import (
    ENGLISH,
    MULTILINGUAL,
    VOCABULARY_ENGLISH,
    VOCABULARY_MULTILINGUAL,
    Array,
    Sizes,
    SpecialTokens,
    tensor_shapes,
)

WIDTH = 64
_LOUD, _QUIET, _HIGH_BAND = 0, 1, 2
_LOW_BANDS, _HIGH_BANDS = slice(0, 30), slice(45, 80)
_SHARPNESS = 40.0
_GAIN = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """One segment of a script: what is said from when to when, in seconds (multiples of 0.02, up to 30)."""

    start_s: float
    text: str
    end_s: float


Script = Sequence[Line]

LOW: Script = (Line(0.0, " Hello from speaker one.", 2.0), Line(2.02, " Second line!", 4.0))
HIGH: Script = (Line(0.04, " Now the other voice?", 3.0),)
TRANSLATION: Script = (Line(0.06, " English text", 2.5),)


@dataclass
class _Rules:
    """Hidden units of the decoder's MLP, and the row of every token that they speak of."""

    rows: dict[int, Array] = field(default_factory=dict[int, Array])
    units: list[tuple[Array, float, Array]] = field(default_factory=list[tuple[Array, float, Array]])
    _free: list[Array] = field(default_factory=lambda: [*_HADAMARD[4:], *-_HADAMARD[4:]])

    def row(self, token: int) -> Array:
        """Returns the token's embedding, a new one for a new token."""
        if token not in self.rows:
            if not self._free:
                raise ValueError("the scripts have too many different tokens: make them shorter")
            self.rows[token] = self._free.pop(0)
        return self.rows[token]

    def add(self, condition: Array, threshold: float, then: Array) -> None:
        """Adds a rule: where the stream agrees with `condition` by more than `threshold`, `then` follows."""
        self.units.append((condition, threshold, then))

    def recite(self, tokens: Sequence[int], special: SpecialTokens) -> None:
        """Adds the rules that say `tokens` and stop.

        Before a timestamp the text after it is the second choice, for calls that forbid timestamps.
        """
        tokens = [*tokens, special.end]
        for place, (token, following) in enumerate(pairwise(tokens)):
            then = self.row(following)
            if following >= special.first_timestamp:
                text = next(t for t in tokens[place + 1 :] if t < special.first_timestamp)
                then = then + 0.5 * self.row(text)
            self.add(self.row(token), 0.5, then)


def _hadamard(size: int) -> Array:
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


_HADAMARD = _hadamard(WIDTH)
_SILENCE, _HIGH = _HADAMARD[1], _HADAMARD[2]


def encode(text: str, ids: dict[bytes, int]) -> list[int]:
    """Splits text into tokens, the longest that fits first (not always as a trained model would)."""
    data, tokens = text.encode(), list[int]()
    while data:
        length = next((n for n in range(len(data), 0, -1) if data[:n] in ids), 0)
        if not length:
            raise ValueError(f"the vocabulary has no token for the start of {data!r}")
        tokens.append(ids[data[:length]])
        data = data[length:]
    return tokens


def _tokens(script: Script, special: SpecialTokens, ids: dict[bytes, int]) -> list[int]:
    tokens = list[int]()
    for line in script:
        tokens += [special.timestamp(line.start_s), *encode(line.text, ids), special.timestamp(line.end_s)]
    return tokens


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the model is to do; the head of this module says how.

    Attributes:
        multilingual: with languages and translation, or English only.
        low: said to low-pitched sound.
        high: said to high-pitched sound; empty to say `low` to any sound.
        translation: said in the task "translate", to any sound.
        language: code of the language that detection finds, one of `tools.micro_model.ggml.LANGUAGES`.
        encoder_layers: number of layers; all do nothing but take time.
    """

    multilingual: bool = True
    low: Script = LOW
    high: Script = HIGH
    translation: Script = TRANSLATION
    language: str = "de"
    encoder_layers: int = 1

    @property
    def sizes(self) -> Sizes:
        """The model's shape."""
        vocabulary = VOCABULARY_MULTILINGUAL if self.multilingual else VOCABULARY_ENGLISH
        return Sizes(vocabulary, WIDTH, heads=1, encoder_layers=self.encoder_layers, decoder_layers=1)

    def tensors(self, vocabulary: Sequence[bytes]) -> Iterator[tuple[str, Array]]:
        """Yields name and values of every tensor.

        Raises:
            ValueError: a token occurs twice in the scripts, or they are too long.
        """
        wired = {**_encoder(), **_cross_attention(), **self._decoder(vocabulary)}
        for name, shape in tensor_shapes(self.sizes):
            if name in wired:
                yield name, wired[name].astype(np.float32)
            elif name.endswith(("ln.weight", "ln_post.weight")):
                yield name, np.ones(shape, np.float32)
            else:
                yield name, np.zeros(shape, np.float32)

    def _decoder(self, vocabulary: Sequence[bytes]) -> dict[str, Array]:
        rules = self._rules(vocabulary)
        embedding = np.zeros((self.sizes.vocabulary, WIDTH), np.float32)
        for token, row in rules.rows.items():
            embedding[token] = row
        hidden = 4 * WIDTH
        into, out = np.zeros((hidden, WIDTH)), np.zeros((WIDTH, hidden))
        bias = np.full(hidden, -50.0)  # a unit without a rule stays off
        if len(rules.units) > hidden:
            raise ValueError("the scripts have too many tokens: make them shorter")
        for unit, (condition, threshold, then) in enumerate(rules.units):
            into[unit] = _SHARPNESS * condition / WIDTH
            bias[unit] = -_SHARPNESS * threshold
            out[:, unit] = _GAIN * then
        return {
            "decoder.token_embedding.weight": embedding,
            "decoder.blocks.0.mlp.0.weight": into,
            "decoder.blocks.0.mlp.0.bias": bias,
            "decoder.blocks.0.mlp.2.weight": out,
        }

    def _rules(self, vocabulary: Sequence[bytes]) -> _Rules:
        """Returns the rules that recite the scripts.

        A rule's input is the layer norm of the stream: a token alone scores 1 against its own row, a token
        beside `_HIGH` 0.71 against its own and 1.41 against the sum of both, one beside `_SILENCE` near 0.
        """
        special = MULTILINGUAL if self.multilingual else ENGLISH
        ids = {token: place for place, token in reversed(list(enumerate(vocabulary)))}
        low, high = (_tokens(script, special, ids) for script in (self.low, self.high))
        translation = _tokens(self.translation, special, ids) if self.multilingual else []
        if not low:
            raise ValueError("the script for low-pitched sound is empty")
        tokens = [*low, *high, *translation]
        for token in tokens:
            if tokens.count(token) > 1:
                named = vocabulary[token] if token < len(vocabulary) else f"timestamp {token}"
                raise ValueError(f"{named!r} occurs twice: a rule could not tell what follows it")
        rules = _Rules()
        for script in (low, high, translation):
            if script:
                rules.recite(script, special)
        rules.add(rules.row(special.end), 0.5, rules.row(special.end))
        # The last token of the prompt decides where a script starts: after "no timestamps" at its first word.
        prompt = special.transcribe if self.multilingual else special.start
        for last, place in ((prompt, 0), (special.no_timestamps, 1)):
            if high:
                rules.add(rules.row(last) - _HIGH, 0.5, rules.row(low[place]))
                rules.add(rules.row(last) + _HIGH, 1.2, rules.row(high[place]))
            else:
                rules.add(rules.row(last), 0.5, rules.row(low[place]))
        silent = 20 * rules.row(special.no_speech)
        if self.multilingual:
            language = rules.row(special.language(self.language))
            rules.add(rules.row(special.start), 0.5, language)
            if translation:
                rules.add(rules.row(special.translate), 0.5, rules.row(translation[0]))
            silent = silent + 10 * language  # second to "no speech", for the detection in silence
        rules.add(_SILENCE, 0.8, silent)
        return rules


def _encoder() -> dict[str, Array]:
    """Returns the convolutions; all sums are over the middle tap, so each position sees one frame."""
    first, first_bias = np.zeros((WIDTH, 80, 3)), np.zeros(WIDTH)
    # Mel values of quiet are near -1.5 in whisper.cpp and 0.0 in mlx-whisper: LOUD starts at a mean of 0.2.
    first[_LOUD, _LOW_BANDS, 1] = _SHARPNESS / 30
    first_bias[_LOUD] = -_SHARPNESS * 0.2
    first_bias[_QUIET] = 4.0
    first[_HIGH_BAND, _HIGH_BANDS, 1] = _SHARPNESS / 35
    first[_HIGH_BAND, _LOW_BANDS, 1] = -_SHARPNESS / 30
    first_bias[_HIGH_BAND] = -_SHARPNESS * 0.05
    second = np.zeros((WIDTH, WIDTH, 3))
    second[_LOUD, _LOUD, 1] = second[_HIGH_BAND, _HIGH_BAND, 1] = 500.0
    second[_QUIET, _QUIET, 1] = 20.0
    return {
        "encoder.conv1.weight": first,
        "encoder.conv1.bias": first_bias,
        "encoder.conv2.weight": second,
    }


def _cross_attention() -> dict[str, Array]:
    """Returns the attention that looks for sound; its query does not depend on the text so far."""
    query_bias, key = np.zeros(WIDTH), np.zeros((WIDTH, WIDTH))
    query_bias[0] = _SHARPNESS
    key[0, _LOUD] = key[0, _HIGH_BAND] = 1.0
    key[0, _QUIET] = 0.05  # above the keys that whisper.cpp pads with, which score 0
    value, out = np.zeros((WIDTH, WIDTH)), np.zeros((WIDTH, WIDTH))
    value[_QUIET, _QUIET] = value[_HIGH_BAND, _HIGH_BAND] = 1.0
    out[:, _QUIET] = _SILENCE  # a channel alone is near 8 after the layer norm: far above the token's row
    out[:, _HIGH_BAND] = _HIGH / 7.9  # here it is brought down to 1: beside the token's row
    block = "decoder.blocks.0.cross_attn"
    return {
        f"{block}.query.bias": query_bias,
        f"{block}.key.weight": key,
        f"{block}.value.weight": value,
        f"{block}.out.weight": out,
    }
