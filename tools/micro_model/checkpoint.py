"""Checkpoints: weights, the decoder's whole table, and how long they were trained."""

from pathlib import Path

import torch

from tools.micro_model.network import Micro


def save(path: Path, model: Micro, step: int, seconds: float) -> None:
    """Writes a checkpoint."""
    torch.save(
        {
            "model": model.state_dict(),
            "table": model.decoder.table().detach(),
            "dims": model.dims,
            "step": step,
            "secs": seconds,
        },
        path,
    )


def load(path: Path, model: Micro, *, decoder: bool = True) -> int:
    """Reads a checkpoint into a model, its encoder alone if not `decoder`; returns its number of steps."""
    saved = torch.load(path, weights_only=True)
    weights = {n: w for n, w in saved["model"].items() if decoder or not n.startswith("decoder.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or (decoder and missing):
        raise ValueError(f"{path} is of another model: {sorted([*missing, *unexpected])}")
    return saved["step"]
