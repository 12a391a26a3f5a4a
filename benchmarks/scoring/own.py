"""What `falaj score` does with a verified model: own.py MODEL INPUT OUTPUT PROCESSES."""

from __future__ import annotations

import sys
from pathlib import Path

from falaj.dataplane.scoring import ScoringJob, read_input, score_file


def main(model: Path, source: Path, target: Path, processes: int) -> None:
    """Score a file."""
    table = read_input(source)
    job = ScoringJob(
        input=str(table.path), digest=table.digest, csv=table.csv, model=str(model), model_digest="sha256:0",
        release="flight-delay@1", endpoint="dev/flight-delay", sampled_rows=100_000,
    )  # fmt: skip
    score_file(job, table, target, python=None, processes=processes)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]))
