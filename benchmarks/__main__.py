"""`python -m benchmarks [NAME...]`: runs the benchmarks and prints one table; fails if a goal is missed."""

import argparse
import importlib
import sys

from benchmarks.table import Measure, show

NAMES = ("startup", "overhead", "first_text", "fairness", "memory", "gateway")


def main() -> int:
    """Runs the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    asked: list[str] = parser.parse_args().names
    if unknown := set(asked) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    measures: list[Measure] = []
    for name in asked or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        measures += importlib.import_module(f"benchmarks.{name}").measure()
    return show(measures)


if __name__ == "__main__":
    sys.exit(main())
