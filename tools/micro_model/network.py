"""Whisper's architecture, with the tensor names and the arithmetic of whisper.cpp.

A model this small learns attention slowly, so it begins with attention that already looks at the right places.
The last `TIME` dims of the encoder's stream carry the position as sines and cosines, and nothing may write into
them. Queries and keys begin as rotations of that code: a head looks a fixed number of frames before or after.
The decoder's timestamps are embedded in the same code, so that all 1501 are learned at once.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.micro_model.speech import WORDS
from tools.micro_model.tokens import FIRST_TIMESTAMP

POSITIONS = 1500
TIME = 32
"""Dims of the stream that carry the time."""
PADDING = 36
"""Zero keys that the flash attention of whisper.cpp adds (1500 to 1536) and does not mask."""
NEAR = 45
"""Positions further away than this are "far": see `Encoder._far_bias`."""
_FREQUENCIES = 2 * math.pi / torch.logspace(math.log10(7), math.log10(4000), TIME // 2)


def time_code(count: int, width: int) -> Tensor:
    """Returns positions 0 to `count` - 1 in the last dims, [count, width]."""
    angles = torch.arange(count)[:, None] * _FREQUENCIES[None]
    code = torch.zeros(count, width)
    code[:, width - TIME :: 2], code[:, width - TIME + 1 :: 2] = torch.sin(angles), torch.cos(angles)
    return code


def rotation(positions: float) -> Tensor:
    """Returns the matrix that turns the code of t into that of t + `positions`."""
    matrix = torch.zeros(TIME, TIME)
    for i, frequency in enumerate(_FREQUENCIES.tolist()):
        c, s = math.cos(frequency * positions), math.sin(frequency * positions)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[c, s], [-s, c]])
    return matrix


class Attention(nn.Module):
    """Attention to the same stream or to the encoder's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    @torch.no_grad()
    def begin_local(
        self, offsets: Sequence[float | None], scale: float, width: float, source: int | None = None
    ) -> None:
        """Makes head i look at its own time + `offsets[i]`.

        Args:
            offsets: in positions, one for each head; None leaves a head as it is.
            scale: how sharply.
            width: how many positions wide; it damps the fast frequencies of the code.
            source: first dim of the time code in the query's stream; the last `TIME` ones if None.
        """
        size, dims = self.query.weight.shape[0] // self.heads, self.query.weight.shape[1]
        damping = torch.exp(-0.5 * (_FREQUENCIES * width / 2) ** 2).repeat_interleave(2)
        start = dims - TIME if source is None else source
        used = min(size, TIME)
        for head, offset in enumerate(offsets):
            if offset is None:
                continue
            rows = slice(head * size, (head + 1) * size)
            query, key = self.query.weight[rows], self.key.weight[rows]
            query *= 0.1
            key *= 0.1
            query[:used, start : start + TIME] = (scale * damping[:, None] * rotation(offset))[:used]
            key[:used, dims - TIME :] = (scale * torch.eye(TIME))[:used]

    @torch.no_grad()
    def copy_time(self, head: int, gain: float, target: int) -> None:
        """Makes a head copy the time of what it looks at into the dims from `target` on."""
        size, dims = self.query.weight.shape[0] // self.heads, self.query.weight.shape[1]
        first = head * size
        self.value.weight[first : first + size] = 0
        self.value.weight[first : first + TIME, dims - TIME :] = torch.eye(TIME)
        self.out.weight[:, first : first + size] *= 0.1
        self.out.weight[target : target + TIME, first : first + TIME] = gain * torch.eye(TIME)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        *,
        causal: bool = False,
        padding: int = 0,
        weights: bool = False,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Returns the result, and the attention itself if `weights`."""
        batch, length, width = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)

        source = x if memory is None else memory
        query, key, value = split(self.query(x)), split(self.key(source)), split(self.value(source))
        if padding:
            key, value = (functional.pad(y, (0, 0, 0, padding)) for y in (key, value))
        attention = None
        if weights:
            scores = (query @ key.transpose(-1, -2)).float() / math.sqrt(width // self.heads)
            attention = torch.softmax(scores, -1)
            found = attention.to(value.dtype) @ value
        else:
            found = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, is_causal=causal)
        return self.out(found.transpose(1, 2).reshape(batch, length, width)), attention


class Block(nn.Module):
    """One layer of the encoder, or of the decoder (`cross`)."""

    def __init__(self, width: int, heads: int, cross: bool) -> None:
        super().__init__()
        self.attn, self.attn_ln = Attention(width, heads), nn.LayerNorm(width)
        if cross:
            self.cross_attn, self.cross_attn_ln = Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.mlp_ln = nn.LayerNorm(width)
        self.cross = cross

    def forward(
        self, x: Tensor, memory: Tensor | None = None, padding: int = 0, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Returns the stream and, in the decoder, where it looked in the encoder's."""
        attention = None
        own = 0 if self.cross else padding
        x = x + self.attn(self.attn_ln(x), causal=self.cross, padding=own, bias=bias)[0]
        if self.cross:
            y, attention = self.cross_attn(self.cross_attn_ln(x), memory, padding=padding, weights=True)
            x = x + y
        return x + self.mlp(self.mlp_ln(x)), attention


class Encoder(nn.Module):
    """Turns a mel spectrum into one vector for each 20 ms."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(80, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", time_code(POSITIONS, width))
        self.blocks = nn.ModuleList(Block(width, heads, cross=False) for _ in range(layers))
        self.ln_post = nn.LayerNorm(width)
        looks = [(-6, -2, 2, 6), (-12, -4, 4, 12), (-24, -8, 8, 24), (-16, -5, 5, 16)]
        for layer, block in enumerate(self.blocks):
            block.attn.begin_local(looks[layer % 4][:heads], 2.5, (2, 3, 6, 4)[layer % 4])
        with torch.no_grad():  # content about as large as the time
            self.conv1.weight *= 2.5
            self.conv2.weight *= 3.0
        self.pin_time()

    @torch.no_grad()
    def pin_time(self) -> None:
        """Undoes what a training step wrote into the time dims: the decoder needs them intact."""
        for module in [self.conv2, *(m for block in self.blocks for m in (block.attn.out, block.mlp[2]))]:
            module.weight[-TIME:] = 0
            module.bias[-TIME:] = 0

    def forward(self, mel: Tensor, position: Tensor, padding: int) -> Tensor:
        """Returns [batch, 50 a second, width].

        Args:
            mel: [batch, 80, 100 a second].
            position: where each window starts among the 1500 positions, [batch].
            padding: number of zero keys, `PADDING` or none.
        """
        x = functional.gelu(self.conv1(mel), approximate="tanh")
        x = functional.gelu(self.conv2(x), approximate="tanh").transpose(1, 2)
        x = x + self.positional_embedding[position[:, None] + torch.arange(x.shape[1])[None]]
        bias = _far_bias(x.shape[1], padding) if x.shape[1] < 1200 else None
        for block in self.blocks:
            x, _ = block(x, padding=padding, bias=bias)
        return self.ln_post(x)

    def chunked(self, mel: Tensor, position: Tensor, padding: int, core: int = 250, margin: int = 40) -> Tensor:
        """Returns the same for a long window, in overlapping pieces: attention is local, so cost is linear."""
        batch, length, size = mel.shape[0], mel.shape[2] // 2, core + 2 * margin
        starts = [min(max(i - margin, 0), length - size) for i in range(0, length, core)]
        pieces = torch.cat([mel[:, :, 2 * start : 2 * (start + size)] for start in starts])
        positions = torch.cat([position + start for start in starts])
        y = self(pieces, positions, padding).view(len(starts), batch, size, -1)
        cores = [y[j][:, j * core - start : min((j + 1) * core, length) - start] for j, start in enumerate(starts)]
        return torch.cat(cores, 1)


def _far_bias(length: int, padding: int) -> Tensor:
    """Returns what lets the far keys of a short window count as much as the about 1400 of a full one."""
    at = torch.arange(length)
    far = (at[:, None] - at[None]).abs() > NEAR
    bias = far * math.log(1410 / max(length - 2 * NEAR, 40))
    return functional.pad(bias.float(), (0, padding))


class Decoder(nn.Module):
    """Says the next token, compact ones in and out."""

    def __init__(self, width: int, heads: int, layers: int, positions: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(FIRST_TIMESTAMP, width)
        self.ts_scale = nn.Parameter(torch.full((TIME,), 0.7))
        self.ts_shared = nn.Parameter(torch.randn(width) * 0.05)
        self.register_buffer("ts_code", time_code(POSITIONS + 1, TIME), persistent=False)
        self.positional_embedding = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, cross=True) for _ in range(layers))
        self.ln = nn.LayerNorm(width)
        self._begin(width, heads)
        keep = torch.ones(width)
        keep[0] = 0  # dim 0 is 1 after the layer norm: column 0 of the table is a bias of the output
        self.register_buffer("keep", keep, persistent=False)

    @torch.no_grad()
    def _begin(self, width: int, heads: int) -> None:
        rows = self.token_embedding.weight
        answer, found = width - TIME, width - 2 * TIME  # dims: the token's own time; the time found so far
        rows.normal_(0, 0.15)
        rows[:, 0] = 0
        rows[:, answer:] *= 0.1
        rows[:, found:answer] *= 0.1
        first, second, third = (block.cross_attn for block in self.blocks)
        first.begin_local((0, None, 8, 16)[:heads], 1.6, 1.0, answer)
        first.copy_time(0, 1.0, found)
        first.copy_time(1, 1.0, found)
        second.begin_local((12, 6, 18, None)[:heads], 1.2, 3.0, found)
        second.copy_time(0, 2.0, found)
        second.copy_time(1, 1.0, found)
        third.begin_local((0, 4, None, None)[:heads], 1.2, 1.5, found)
        third.copy_time(0, 3.0, answer)

    def table(self) -> Tensor:
        """Returns the embedding of all compact tokens: text and special ones, then timestamps."""
        times = functional.pad(self.ts_code * self.ts_scale, (self.ts_shared.shape[0] - TIME, 0))
        return torch.cat([self.token_embedding.weight, times + self.ts_shared])

    def forward(self, said: Tensor, memory: Tensor, padding: int) -> tuple[Tensor, list[Tensor]]:
        """Returns scores of all tokens at each place, and each layer's cross-attention."""
        table = self.table()
        x = functional.embedding(said, table) + self.positional_embedding[: said.shape[1]]
        attentions: list[Tensor] = []
        for block in self.blocks:
            x, attention = block(x, memory, padding)
            attentions.append(attention)
        x = functional.layer_norm(x, x.shape[-1:]) * (self.ln.weight * self.keep)
        x = x + (self.ln.bias * self.keep + (1 - self.keep))
        return functional.linear(x, table), attentions


class Micro(nn.Module):
    """The model. Three decoder layers: whisper.cpp takes one with two for a distilled model."""

    def __init__(self, width: int = 128, heads: int = 4, layers: int = 3, positions: int = 448) -> None:
        super().__init__()
        self.dims = {"d": width, "h": heads, "enc": layers, "dec": layers, "n_ctx": positions}
        self.encoder = Encoder(width, heads, layers)
        self.decoder = Decoder(width, heads, layers, positions)
        self.aux = nn.Linear(width, len(WORDS) + 1)
        """Training only: which word is spoken in this frame, the last one for none."""
