"""Between the stages: brings the time code in the encoder's output to the size that the decoder begins with.

python -m tools.micro_model.scale_times IN.pt OUT.pt DEV_BANK.npz
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from tools.micro_model.bank import read_banks
from tools.micro_model.batches import collate, draw
from tools.micro_model.checkpoint import load, save
from tools.micro_model.network import PADDING, TIME, Micro

TIME_LEVEL = 0.9
_DURATION_S = 8


def main() -> None:
    """Writes one checkpoint; its decoder is new."""
    arguments = argparse.ArgumentParser(description="Scales the time code of a trained encoder.")
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("bank", type=Path)
    given = arguments.parse_args()

    torch.manual_seed(1)
    model = Micro()
    step = load(given.checkpoint, model, decoder=False)
    random, bank = np.random.default_rng(5), read_banks([given.bank])
    batch = collate([draw(bank, random, _DURATION_S, 0.1) for _ in range(12)], _DURATION_S)
    with torch.no_grad():
        scale = model.encoder.ln_post
        scale.bias[-TIME:] = 0
        scale.weight[-TIME:] = 1
        level = model.encoder(batch.mel, batch.position, PADDING)[..., -TIME:].std()
        scale.weight[-TIME:] = TIME_LEVEL / level
    save(given.out, model, step, 0.0)
    print(f"{given.out}: time code scaled by {TIME_LEVEL / level.item():.3f}")


if __name__ == "__main__":
    main()
