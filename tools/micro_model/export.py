"""Writes a checkpoint as a model's file for whisper.cpp.

python -m tools.micro_model.export tools/micro_model/micro-en.pt OUT.bin --kind q8_0
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from tools.micro_model.ggml import VOCABULARY_ENGLISH, Array, Sizes, write_model
from tools.micro_model.tokens import ACTIVE, HEAD

UNUSED_LOGIT = -30.0
"""Score of every token outside the closed vocabulary."""


def tensors(checkpoint: dict[str, dict[str, torch.Tensor]]) -> dict[str, Array]:
    """Returns the tensors of the file: those of the decoder's table put into their full places.

    Column 0 of the stream is held at 1 after the last layer norm, so column 0 of the embedding is a bias of
    the output: it keeps the tokens that are never trained from ever being chosen.
    """
    weights = {name: values.numpy() for name, values in checkpoint["model"].items()}
    kept = {n: w for n, w in weights.items() if not n.startswith(("aux.", "decoder.ts_"))}
    embedding = np.zeros((VOCABULARY_ENGLISH, kept["decoder.ln.bias"].size), np.float32)
    embedding[:, 0] = UNUSED_LOGIT
    embedding[ACTIVE] = checkpoint["table"].numpy()
    kept["decoder.token_embedding.weight"] = embedding
    scale, bias = kept["decoder.ln.weight"].copy(), kept["decoder.ln.bias"].copy()
    scale[0], bias[0] = 0.0, 1.0
    kept["decoder.ln.weight"], kept["decoder.ln.bias"] = scale, bias
    return kept


def main() -> None:
    """Writes one file."""
    arguments = argparse.ArgumentParser(description="Writes a checkpoint as a model's file.")
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("path", type=Path)
    arguments.add_argument("--kind", choices=["f32", "f16", "q8_0"], default="q8_0")
    given = arguments.parse_args()

    checkpoint = torch.load(given.checkpoint, weights_only=True, map_location="cpu")
    shape = checkpoint["dims"]
    sizes = Sizes(VOCABULARY_ENGLISH, shape["d"], shape["h"], shape["enc"], shape["dec"])
    write_model(given.path, sizes, HEAD, tensors(checkpoint).items(), given.kind)
    print(f"{given.path}: {given.kind}, after step {checkpoint['step']}")


if __name__ == "__main__":
    main()
