"""First stage: the encoder alone learns which word is spoken in each frame of dense speech; this is cheap.

python -m tools.micro_model.pretrain OUT.pt --minutes 14 --duration 5 BANK.npz...
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from tools.micro_model.bank import read_banks
from tools.micro_model.checkpoint import load, save
from tools.micro_model.network import PADDING, POSITIONS, Micro
from tools.micro_model.optimizer import optimizers, set_rate
from tools.micro_model.sounds import MARGIN, Sound, add_phrase, log_mel, noise, scaled, tilted
from tools.micro_model.speech import SAMPLE_RATE, WORDS, Phrase

NOBODY = len(WORDS)
_SILENCE_WEIGHT = 0.4
_SAVE_EVERY_S = 90


def dense(bank: Sequence[Phrase], random: np.random.Generator, duration_s: float) -> tuple[Sound, NDArray[np.int64]]:
    """Returns words back to back: mel [80, 100 a second], and the word of each 20 ms (`NOBODY` for none)."""
    sound = np.zeros(int(duration_s * SAMPLE_RATE) + MARGIN, np.float32)
    frames = np.full(int(duration_s * 50), NOBODY)
    at_s = -random.uniform(0, 1.0)
    end_s = duration_s if random.random() < 0.8 else random.uniform(1.5, duration_s)
    while at_s < end_s:
        phrase = bank[random.integers(len(bank))]
        add_phrase(sound, phrase, at_s, random.uniform(-0.6, 0))
        for word, (start_s, stop_s) in zip(phrase.words, phrase.spans_s, strict=True):
            first, last = int((at_s + start_s) * 50), math.ceil((at_s + stop_s) * 50)
            frames[max(0, first) : max(0, last)] = word
        gap_s = random.uniform(0, 0.15) if random.random() < 0.6 else random.uniform(0.2, 0.8)
        at_s += len(phrase.pcm) / SAMPLE_RATE + gap_s
    if random.random() < 0.5:
        floor = noise(len(sound), random)
        sound += floor * sound.std() * 10 ** (-random.uniform(12, 45) / 20)
    mel = log_mel(sound, int(duration_s * 100))
    if random.random() < 0.3:
        mel = tilted(mel, random.uniform(-0.4, 0.3, 2))
    return scaled(mel, mel.max()), frames


class DenseSpeech(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of dense speech: mel, word of each frame, position of the window."""

    def __init__(self, banks: Sequence[Path], seed: int, batch: int, duration_s: float) -> None:
        self._banks, self._seed, self._batch, self._duration_s = banks, seed, batch, duration_s

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        random, bank = np.random.default_rng(self._seed), read_banks(self._banks)
        while True:
            mels, frames = zip(*(dense(bank, random, self._duration_s) for _ in range(self._batch)), strict=True)
            positions = random.integers(0, POSITIONS - int(self._duration_s * 50), self._batch)
            yield torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(frames)), torch.from_numpy(positions)


def loss_of(model: Micro, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, float, float]:
    """Returns the loss, and the shares of frames that are right where somebody speaks and where nobody does."""
    mel, frames, positions = batch
    scores = model.aux(model.encoder(mel, positions, PADDING))
    spoken = frames < NOBODY
    weights = torch.where(spoken, 1.0, _SILENCE_WEIGHT).reshape(-1)
    flat = scores.reshape(-1, NOBODY + 1)
    losses = functional.cross_entropy(flat, frames.reshape(-1), reduction="none")
    right = scores.argmax(-1) == frames
    loss = (losses * weights).sum() / weights.sum()
    return loss, right[spoken].float().mean().item(), right[~spoken].float().mean().item()


def main() -> None:
    """Trains until the time is up."""
    arguments = argparse.ArgumentParser(description="Trains the encoder alone.")
    arguments.add_argument("out", type=Path)
    arguments.add_argument("banks", type=Path, nargs="+")
    arguments.add_argument("--init", type=Path, help="checkpoint to go on from")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--duration", type=float, default=4, help="seconds of a window")
    arguments.add_argument("--rate", type=float, default=1.0, help="share of the full learning rate")
    arguments.add_argument("--steps", type=int, default=10**9, help="stop after so many")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()

    torch.manual_seed(given.seed)
    torch.set_num_threads(2)
    model = Micro()
    if given.init:
        load(given.init, model, decoder=False)
        model.encoder.pin_time()
    dataset = DenseSpeech(given.banks, given.seed, given.batch, given.duration)
    batches = iter(DataLoader(dataset, batch_size=None, num_workers=1, prefetch_factor=8))
    encoder = [(f"encoder.{name}", parameter) for name, parameter in model.encoder.named_parameters()]
    made = optimizers([*encoder, *((f"aux.{name}", p) for name, p in model.aux.named_parameters())])
    began, step, recent, saved_s = time.monotonic(), 0, list[tuple[float, float, float]](), 0.0
    while (elapsed_s := time.monotonic() - began) < given.minutes * 60 and step < given.steps:
        progress = max(elapsed_s / (given.minutes * 60), step / given.steps)
        set_rate(made, given.rate * min(1, (step + 1) / 30) * min(1, (1 - progress) / 0.3 + 0.03))
        loss, speech_right, silence_right = loss_of(model, next(batches))
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in made:
            optimizer.step()
        model.encoder.pin_time()
        step += 1
        recent = [*recent, (loss.item(), speech_right, silence_right)][-50:]
        if step % 50 == 0 or step == given.steps:
            means = np.mean(recent, 0).round(3)
            print(f"{elapsed_s:5.0f} s, step {step}: loss, speech, silence {means}", flush=True)
        if elapsed_s - saved_s > _SAVE_EVERY_S:
            saved_s = elapsed_s
            save(given.out, model, step, elapsed_s)
    save(given.out, model, step, time.monotonic() - began)


if __name__ == "__main__":
    main()
