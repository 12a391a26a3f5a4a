"""How long the command line takes to answer, beside the floor that Python itself sets.

    .venv/bin/python benchmarks/cli/start.py [--rounds 15] [--home HOME]

Commands alternate within each round, so that a busy machine slows all of them alike; the medians and their ratio to
`python -c pass` are what to compare. `falaj run list` needs a platform that is up: the one of `--home`, or a scratch
one that is started and stopped here. Exits 1 when a command is over its limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent
LIMITS_MS = {"falaj --help": 200.0, "falaj run list": 300.0}
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "falaj --help": [str(BIN / "falaj"), "--help"],
    "falaj run list": [str(BIN / "falaj"), "run", "list"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--home", type=Path, help="home of a platform that is up")
    options = parser.parse_args()
    with platform(options.home) as home:
        medians = measure({**os.environ, "FALAJ_HOME": str(home)}, options.rounds)
    sys.exit(report(medians))


@contextmanager
def platform(home: Path | None) -> Iterator[Path]:
    """The given home, or a scratch one with its own platform."""
    if home is not None:
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="falaj-start-") as folder:
        environment = {**os.environ, "FALAJ_HOME": folder}
        falaj = [str(BIN / "falaj")]
        subprocess.run([*falaj, "up", "--port", "18470", "--gateway-port", "18480"], env=environment, check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run([*falaj, "down"], env=environment, check=True)


def measure(environment: dict[str, str], rounds: int) -> dict[str, float]:
    """Median milliseconds by command; the first round only warms the file cache."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            if number:
                times[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def report(medians: dict[str, float]) -> int:
    """Print a table; 1 when a limit is exceeded."""
    floor = medians["python -c pass"]
    print(f"{'command':16} {'median ms':>9} {'x python':>8} {'limit ms':>8}")
    for name, median in medians.items():
        limit = f"{LIMITS_MS[name]:.0f}" if name in LIMITS_MS else "-"
        print(f"{name:16} {median:9.0f} {median / floor:8.1f} {limit:>8}")
    return int(any(medians[name] > limit for name, limit in LIMITS_MS.items()))


if __name__ == "__main__":
    main()
