"""What a training step makes smaller."""

import torch
from torch import Tensor
from torch.nn import functional

from tools.micro_model.batches import Batch
from tools.micro_model.network import Micro
from tools.micro_model.pretrain import NOBODY
from tools.micro_model.tokens import ACTIVE, END, FIRST_TIMESTAMP, NO_SPEECH, TEXT_COUNT


def soft_targets(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the places that count, the right token at each, and the shares that all tokens should get.

    A timestamp gives some to its neighbours. A silent window is "no speech", and the rest goes to the token
    that the engine then takes: <|0.00|>, or any text.
    """
    places = (batch.following >= 0).nonzero()
    right = batch.following[places[:, 0], places[:, 1]]
    shares = torch.zeros(len(right), len(ACTIVE))
    shares.scatter_(1, right[:, None], 1.0)
    rows = (right > FIRST_TIMESTAMP).nonzero()[:, 0]
    shares[rows] *= 0.8
    for step in (-1, 1):
        shares[rows, (right[rows] + step).clamp(FIRST_TIMESTAMP, len(ACTIVE) - 1)] += 0.1
    for window in (batch.silent[:, 0] >= 0).nonzero()[:, 0].tolist():
        place, timestamps = batch.silent[window].tolist()
        row = ((places[:, 0] == window) & (places[:, 1] == place)).nonzero()[0, 0]
        shares[row] = 0
        shares[row, NO_SPEECH] = 0.75
        if timestamps:
            shares[row, FIRST_TIMESTAMP] = 0.25
        else:
            shares[row, :TEXT_COUNT] = 0.25 / TEXT_COUNT
    return places, right, shares


def guidance(attention: Tensor, spans: Tensor, heads: list[int], selected: Tensor) -> Tensor:
    """Returns -log of the attention that falls where it should, for some heads and some tokens."""
    counted = (spans[..., 0] >= 0) & selected
    if not counted.any():
        return attention.sum() * 0
    at = torch.arange(attention.shape[-1])
    inside = (at >= spans[..., :1]) & (at < spans[..., 1:])
    share = (attention[:, heads] * inside[:, None]).sum(-1)
    return -(share.clamp_min(1e-6).log().mean(1) * counted).sum() / counted.sum()


def losses(
    model: Micro,
    batch: Batch,
    padding: int,
    *,
    guide: float = 0.0,
    aux: float = 0.0,
    half: bool = False,
    chunked: bool = False,
) -> tuple[Tensor, dict[str, float]]:
    """Returns the loss and what it is made of.

    Args:
        model: in training or not; an encoder that is not keeps its output in the batch.
        batch: samples.
        padding: number of zero keys, as the engine has with flash attention or without.
        guide: weight of the guidance of attention.
        aux: weight of the frame-wise words.
        half: compute in bfloat16.
        chunked: the encoder works in pieces.
    """
    frozen = not model.aux.weight.requires_grad
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        memory = batch.memory
        if memory is None:
            encode = model.encoder.chunked if chunked else model.encoder
            with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
                memory = encode(batch.mel, batch.position, padding)
            if frozen:
                batch.memory = memory
        scores, attentions = model.decoder(batch.said, memory, padding)
        frame_scores = model.aux(memory)
    attentions = [attention[..., : batch.frames.shape[1]] for attention in attentions]
    places, right, shares = soft_targets(batch)
    likelihood = functional.log_softmax(scores[places[:, 0], places[:, 1]].float(), -1)
    text = -(shares * likelihood).sum(-1).mean()
    flat = frame_scores.float().reshape(-1, NOBODY + 1)
    frames = functional.cross_entropy(flat, batch.frames.reshape(-1))
    # The first layer finds the token that was just said, the others the one to say.
    timed, next_timed = batch.said >= FIRST_TIMESTAMP, batch.following >= FIRST_TIMESTAMP
    guided = guidance(attentions[0], batch.own_span, [0], timed)
    guided = guided + guidance(attentions[0], batch.own_span, [1], ~timed)
    for attention in attentions[1:]:
        guided = guided + guidance(attention, batch.next_span, [0, 1], ~next_timed)
        guided = guided + guidance(attention, batch.next_span, [0], next_timed)
    with torch.no_grad():
        best = likelihood.argmax(-1)
        is_text, is_time = right < END, right > FIRST_TIMESTAMP
        named = {
            "text": text.item(),
            "aux": frames.item(),
            "guide": guided.item() / 6,
            "words_right": (best == right)[is_text].float().mean().item(),
            "times_within_40_ms": ((best - right).abs()[is_time] <= 2).float().mean().item(),
            "frames_right": (frame_scores.argmax(-1) == batch.frames)[batch.frames < NOBODY].float().mean().item(),
        }
    return text + aux * frames + guide * guided, named
