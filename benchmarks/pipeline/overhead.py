"""What a step costs beyond its work, measured against starting Python and doing nothing.

    python benchmarks/pipeline/overhead.py [--rounds 7]

What is compared is processor time, which says little about other work on the machine; a run with nothing to do is also
given in seconds. The times of each round are taken in turn; medians are compared.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from projects import cpu_seconds, make_project, report, run_falaj, seconds, side_by_side

CHAIN = 20


def bare() -> None:
    """`python -c pass`."""
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def overheads(scratch: Path, rounds: int) -> list[tuple[str, float, str]]:
    """The rows of the report."""
    fresh = (scratch / f"fresh-{number}" for number in itertools.count())
    five, hundred = scratch / "five", scratch / "hundred"
    for root, count in ((five, 5), (hundred, 100)):
        make_project(root)
        run_falaj(root, count, "first")
    again_5, again_100 = (lambda: run_falaj(five, 5, "again")), (lambda: run_falaj(hundred, 100, "again"))
    actions = [lambda: first_run(next(fresh)), lambda: [bare() for _ in range(CHAIN)], again_5]
    first, nothing, no_op = side_by_side(actions, rounds, cpu_seconds)
    no_op_5, no_op_100 = side_by_side([again_5, again_100], rounds)
    return [
        ("first run of 20 chained steps, per step, in starts of Python", (first - no_op) / nothing, "below 2"),
        ("the same with the engine's own start", first / nothing, ""),
        ("no-op run of 5 steps, in starts of Python", no_op * CHAIN / nothing, ""),
        ("no-op run of 5 steps, seconds", no_op_5, "below 0.25"),
        ("no-op run of 100 steps, seconds", no_op_100, "below 0.60"),
    ]


def first_run(root: Path) -> None:
    """Everything is new, the store included."""
    make_project(root)
    run_falaj(root, CHAIN, "first")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        seconds(bare)
        report(overheads(Path(scratch), rounds))


if __name__ == "__main__":
    main()
