"""What an embedded platform costs while nothing happens: the share of a core that each of its processes takes.

    python benchmarks/cli/idle.py [--seconds 30] [--rounds 5]

Starts a platform of its own in a folder that is removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FALAJ = Path(sys.executable).with_name("falaj")
TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def shares(pids: dict[str, int], seconds: float) -> dict[str, float]:
    """The share of a core that each process takes in a while."""
    before, started_at = {name: processor_s(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - started_at
    return {name: (processor_s(pid) - before[name]) / passed for name, pid in pids.items()}


def main() -> None:
    """Print each process's share: the median of the rounds, and the range."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-idle-") as folder:
        environ = {**os.environ, "FALAJ_HOME": folder}
        ports = ("--port", "18411", "--gateway-port", "18412")
        subprocess.run([FALAJ, "up", *ports], env=environ, check=True, stdout=subprocess.DEVNULL)
        try:
            state = json.loads(next(Path(folder).rglob("supervisor.json")).read_text())
            pids = {"supervisor": state["pid"], **{name: part["pid"] for name, part in state["parts"].items()}}
            time.sleep(options.seconds / 2)  # what starts is over
            rounds = [shares(pids, options.seconds) for _ in range(options.rounds)]
        finally:
            subprocess.run([FALAJ, "down"], env=environ, check=True, stdout=subprocess.DEVNULL)
    for name in pids:
        measured = [each[name] for each in rounds]
        print(f"{name:12} {statistics.median(measured):6.2%} of a core ({min(measured):.2%} to {max(measured):.2%})")


if __name__ == "__main__":
    main()
