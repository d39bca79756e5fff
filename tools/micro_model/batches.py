"""Batches of training samples as tensors."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from tools.micro_model.bank import read_banks
from tools.micro_model.network import POSITIONS
from tools.micro_model.pretrain import NOBODY
from tools.micro_model.speech import Phrase
from tools.micro_model.tokens import END
from tools.micro_model.windows import Window, make_window

IGNORED = -1


@dataclass(slots=True)
class Batch:
    """Samples of one length. Places without a value hold `IGNORED`.

    Attributes:
        mel: [batch, 80, 100 a second].
        position: [batch].
        said: what the decoder is given at each place, [batch, places].
        following: what it is to say next, or `IGNORED`.
        silent: for a silent window the place of its first answer and whether timestamps are said, [batch, 2].
        own_span: where the token given is heard, [batch, places, 2].
        next_span: where the token to say is heard.
        frames: word of each 20 ms, `NOBODY` for none.
        memory: what a frozen encoder made of it, kept for the next use.
    """

    mel: Tensor
    position: Tensor
    said: Tensor
    following: Tensor
    silent: Tensor
    own_span: Tensor
    next_span: Tensor
    frames: Tensor
    memory: Tensor | None = None


def collate(windows: Sequence[Window], duration_s: float) -> Batch:
    """Returns a batch of windows, the shorter texts filled up."""
    count, length = len(windows), int(duration_s * 50)
    places = max(len(w.target.prompt) + len(w.target.tokens) for w in windows) - 1
    said = np.full((count, places), END)
    following = np.full((count, places), IGNORED)
    silent = np.full((count, 2), IGNORED)
    own, following_span = np.full((count, places, 2), IGNORED), np.full((count, places, 2), IGNORED)
    frames = np.full((count, length), NOBODY)
    for i, window in enumerate(windows):
        target = window.target
        given, answers = len(target.prompt), len(target.tokens)
        said[i, : given + answers - 1] = [*target.prompt, *target.tokens][:-1]
        following[i, given - 1 : given - 1 + answers] = target.tokens
        following_span[i, given - 1 : given - 1 + answers] = target.spans
        own[i, given : given + answers - 1] = target.spans[:-1]
        if target.silent:
            silent[i] = given - 1, target.timestamps
        for word, start_s, end_s in target.words:
            frames[i, max(0, int(start_s * 50)) : max(0, math.ceil(end_s * 50))] = word
    mel, position = np.stack([w.mel for w in windows]), np.array([w.position for w in windows])
    arrays = (mel, position, said, following, silent, own, following_span, frames)
    return Batch(*(torch.from_numpy(array) for array in arrays))


def draw(bank: Sequence[Phrase], random: np.random.Generator, duration_s: float, edge_share: float) -> Window:
    """Draws one window: anywhere in the 30 s, or, cut at its end, at their end."""
    room = POSITIONS - int(duration_s * 50)
    edge = random.random() < edge_share
    if edge:
        return make_window(bank, random, duration_s, room, edge)
    position = 0 if random.random() < 0.4 else int(random.integers(0, room + 1))
    return make_window(bank, random, duration_s, position, edge)


class Windows(IterableDataset[Batch]):
    """Endless batches of windows; each loading process draws its own."""

    def __init__(self, banks: Sequence[Path], seed: int, batch: int, duration_s: float, edge_share: float) -> None:
        self._banks, self._seed, self._batch = banks, seed, batch
        self._duration_s, self._edge_share = duration_s, edge_share

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        torch.set_num_threads(1)
        random = np.random.default_rng((self._seed, worker.id if worker else 0))
        bank = read_banks(self._banks)
        while True:
            windows = [draw(bank, random, self._duration_s, self._edge_share) for _ in range(self._batch)]
            yield collate(windows, self._duration_s)
