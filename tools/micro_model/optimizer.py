"""Muon for the hidden matrices, which learns fast in few steps, and AdamW for all else."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

MUON_RATE, ADAM_RATE = 0.02, 2e-3


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Returns roughly the nearest orthogonal matrix, by Newton-Schulz iteration."""
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised momentum."""

    def __init__(self, groups: list[dict[str, Any]], momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(groups, {"lr": MUON_RATE, "momentum": momentum, "wd": decay})

    @torch.no_grad()
    def step(self) -> None:
        """Changes all parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self.state[parameter].setdefault("m", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(momentum, group["momentum"]).flatten(1)
                stretch = max(1, update.shape[0] / update.shape[1]) ** 0.5
                update = orthogonal(update).view_as(parameter) * stretch
                parameter.mul_(1 - group["lr"] * group["wd"]).add_(update, alpha=-group["lr"])


def optimizers(named: Iterable[tuple[str, Parameter]]) -> list[torch.optim.Optimizer]:
    """Returns the optimizers of some parameters; each group's `base` is its full learning rate."""
    muon, attention, others = list[Parameter](), list[Parameter](), list[Parameter]()
    for name, parameter in named:
        if parameter.ndim >= 2 and any(part in name for part in (".value.", ".out.", ".mlp.", "conv")):
            muon.append(parameter)
        elif ".query." in name or ".key." in name:
            attention.append(parameter)  # slower: keeps its local beginning longer
        else:
            others.append(parameter)
    groups = [{"params": others, "base": ADAM_RATE}, {"params": attention, "base": ADAM_RATE / 2}]
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=0, betas=(0.9, 0.98), weight_decay=0.01)]
    if muon:
        made.append(Muon([{"params": muon, "base": MUON_RATE}]))
    return made


def set_rate(made: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Sets every learning rate to a share of its full one."""
    for optimizer in made:
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * share
