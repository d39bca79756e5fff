"""`python -m benchmarks [NAME...]`: runs the benchmarks and prints one table; fails if a goal is missed."""

import argparse
import importlib
import sys

from benchmarks.table import Measure, show

NAMES = ("startup", "overhead", "first_text", "fairness", "memory")


def main() -> int:
    """Runs the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], default=list(NAMES))
    measures: list[Measure] = []
    for name in parser.parse_args().names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        measures += importlib.import_module(f"benchmarks.{name}").measure()
    return show(measures)


if __name__ == "__main__":
    sys.exit(main())
