"""Trains the model on a CPU: the decoder alone (`--encoder-rate 0`), or all of it.

python -m tools.micro_model.train OUT.pt --init IN.pt --minutes 25 --dev DEV_BANK.npz BANK.npz...

The learning rate follows the clock: it rises over `--warmup` steps and falls in the last share `--decay` of
the minutes.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from tools.micro_model.bank import read_banks
from tools.micro_model.batches import Batch, Windows, collate, draw
from tools.micro_model.checkpoint import load, save
from tools.micro_model.losses import losses
from tools.micro_model.network import PADDING, Micro
from tools.micro_model.optimizer import optimizers, set_rate

_KEPT_BATCHES = 60
_SAVE_EVERY_S = 120
_PADDED_SHARE = 0.6


def arguments() -> argparse.Namespace:
    """Returns the command's arguments."""
    parser = argparse.ArgumentParser(description="Trains the model.")
    parser.add_argument("out", type=Path)
    parser.add_argument("banks", type=Path, nargs="+")
    parser.add_argument("--init", type=Path, help="checkpoint to go on from")
    parser.add_argument("--fresh-decoder", action="store_true", help="take the encoder alone from it")
    parser.add_argument("--dev", type=Path, required=True, help="bank to measure with")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--duration", type=float, default=10, help="seconds of a window, at most 30")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--edge", type=float, default=0.1, help="share of windows cut at their end")
    parser.add_argument("--rate", type=float, default=1.0, help="share of the full learning rate")
    parser.add_argument("--encoder-rate", type=float, default=0.0, help="the encoder's; 0 freezes it")
    parser.add_argument("--decay", type=float, default=0.4)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--replay", type=int, default=1, help="a new batch every so many steps")
    parser.add_argument("--guide", type=float, default=0.3, help="weight of the guidance of attention")
    parser.add_argument("--aux", type=float, default=1.0, help="weight of the frame-wise words")
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--chunked", action="store_true", help="for long windows: encode in pieces")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def dev_batches(bank_path: Path, duration_s: float, edge_share: float) -> list[Batch]:
    """Returns what the model is measured with, the same in every run."""
    bank, random = read_banks([bank_path]), np.random.default_rng(99)
    count = 8 if duration_s < 20 else 3
    return [collate([draw(bank, random, duration_s, edge_share) for _ in range(count)], duration_s) for _ in range(4)]


def measured(model: Micro, batches: list[Batch]) -> dict[str, float]:
    """Returns means over batches."""
    for batch in batches:
        batch.memory = None  # the encoder may have changed
    with torch.no_grad():
        results = [losses(model, batch, PADDING)[1] for batch in batches]
    return {name: float(np.nanmean([result[name] for result in results])) for name in results[0]}


def shown(values: dict[str, float]) -> str:
    """Returns named numbers as one line."""
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def main() -> None:
    """Trains until the time is up."""
    given = arguments()
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    model = Micro()
    if given.init:
        load(given.init, model, decoder=not given.fresh_decoder)
    dataset = Windows(given.banks, given.seed, given.batch, given.duration, given.edge)
    batches = iter(DataLoader(dataset, batch_size=None, num_workers=given.workers, prefetch_factor=6))
    dev = dev_batches(given.dev, given.duration, given.edge)
    named = list(model.named_parameters())
    encoder = [(name, parameter) for name, parameter in named if not name.startswith("decoder.")]
    trained = optimizers([(name, parameter) for name, parameter in named if name.startswith("decoder.")])
    trained_encoder = optimizers(encoder) if given.encoder_rate > 0 else []
    for _, parameter in encoder:
        parameter.requires_grad_(given.encoder_rate > 0)

    random = torch.Generator().manual_seed(given.seed)
    kept, recent = list[Batch](), list[dict[str, float]]()
    total_s, began, saved_s, step, elapsed_s = given.minutes * 60, time.monotonic(), 0.0, 0, 0.0
    while elapsed_s < total_s and step < given.steps:
        share = min(1, (step + 1) / given.warmup) * min(1, (1 - elapsed_s / total_s) / given.decay + 0.02)
        set_rate(trained, given.rate * share)
        set_rate(trained_encoder, given.encoder_rate * share)
        padding = PADDING if torch.rand(1, generator=random).item() < _PADDED_SHARE else 0
        if step % given.replay == 0 or len(kept) < 2:
            kept = [*kept, next(batches)][-_KEPT_BATCHES:]
            batch = kept[-1]
        else:
            batch = kept[int(torch.randint(len(kept), (1,), generator=random))]
        loss, parts = losses(
            model, batch, padding, guide=given.guide, aux=given.aux, half=given.half, chunked=given.chunked
        )
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in (*trained, *trained_encoder):
            optimizer.step()
        if trained_encoder:
            model.encoder.pin_time()
        step += 1
        recent.append(parts)
        if step % 50 == 0:
            means = {name: float(np.nanmean([parts[name] for parts in recent])) for name in parts}
            print(f"{elapsed_s:6.0f} s, step {step}: {shown(means)}", flush=True)
            recent = []
        elapsed_s = time.monotonic() - began
        if elapsed_s - saved_s > _SAVE_EVERY_S:
            saved_s = elapsed_s
            save(given.out, model, step, elapsed_s)
            print(f"  dev: {shown(measured(model, dev))}", flush=True)
    save(given.out, model, step, elapsed_s)
    print(f"  dev: {shown(measured(model, dev))}", flush=True)


if __name__ == "__main__":
    main()
