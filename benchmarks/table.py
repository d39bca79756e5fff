"""One line a measure: what it is, what it was, the goal, and whether it was met."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure.

    Attributes:
        name: the two things that were compared.
        value: the figure.
        goal: the highest value that is good enough.
        unit: of both; empty for a ratio.
        detail: the figures behind it.
    """

    name: str
    value: float
    goal: float
    unit: str = ""
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal was met."""
        return self.value <= self.goal


def machine() -> str:
    """Names this machine."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, {platform.system()}"


def show(measures: Sequence[Measure]) -> int:
    """Prints the table. Returns 1 if a goal was missed, else 0."""
    print(f"\nmachine: {machine()}\n")
    print(f"| {'measure':58} | {'value':>10} | {'goal':>10} |       |")
    print(f"|{'-' * 60}|{'-' * 12}|{'-' * 12}|-------|")
    for measure in measures:
        value, goal = f"{measure.value:.3f}{measure.unit}", f"<= {measure.goal:g}{measure.unit}"
        print(f"| {measure.name:58} | {value:>10} | {goal:>10} | {'ok' if measure.met else 'short':5} |")
    print()
    for measure in measures:
        if measure.detail:
            print(f"{measure.name}: {measure.detail}")
    sys.stdout.flush()
    return 0 if all(measure.met for measure in measures) else 1
