"""`python -m tests.bench NAME [ARGUMENTS]`: a table to read, and as the last line one JSON object to compare."""

from __future__ import annotations

import importlib
import json
import sys

from rich.console import Console

# Each module has `run(console, ...) -> dict[str, float]`: prints what it likes, answers the figures. What follows the
# name is handed to those that take arguments.
BENCHES = {
    "analyse": "tests.bench.analyse",
    "fleet": "tests.bench.fleet",
    "fuzz": "tests.bench.fuzz",
    "insert": "tests.bench.insert",
    "offers": "tests.bench.offers",
    "plan": "tests.bench.plan",
    "public": "tests.bench.public",
    "repair": "tests.bench.repair",
    "reservations": "tests.bench.reservations",
    "stop": "tests.bench.stop",
    "stream": "tests.bench.stream",
    "submit": "tests.bench.submit",
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in BENCHES:
        print(f"usage: python -m tests.bench {{{','.join(BENCHES)}}} [ARGUMENTS]", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 120)
    figures = importlib.import_module(BENCHES[arguments[0]]).run(console, *arguments[1:])
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
