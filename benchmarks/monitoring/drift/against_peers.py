"""Drift reports beside peers: speed, false alarms, power and delay.

`python benchmarks/monitoring/drift/against_peers.py FOLDER [speed|false|power]`, after `peers.py FOLDER`. A peer that
is not installed is left out and said to be.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ("evidently", "nannyml", "alibi-detect", "whylogs")
OURS = ("falaj", "falaj rows", "falaj over time")
STREAMS = (
    "synthetic", "flights rows", "flights days", "bikeshare rows", "bikeshare days", "rainfall rows", "rainfall days",
)  # fmt: skip


def measured(folder: Path, name: str, *arguments: object) -> object:
    own = folder / name / "bin/python"
    python = own if name in PEERS else Path(sys.executable)
    if not python.exists():
        return None
    command = [str(python), str(HERE / "run_one.py"), name, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    except subprocess.TimeoutExpired:
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    if not lines:
        print(f"  {name} {arguments}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(lines[-1].removeprefix("ANSWER "))


def speed(folder: Path) -> None:
    print("CPU of a report over 20 features, times the numpy limit, by rows of the window")
    for rows, rounds in ((10_000, 5), (100_000, 3), (1_000_000, 2)):
        limit = measured(folder, "numpy limit", "speed", rows, 2 * rounds)
        for name in ("falaj", *PEERS):
            spent = measured(folder, name, "speed", rows, rounds)
            print(f"{rows:>9} {name:14}", "not measured" if spent is None else f"{spent / limit:.2f}", flush=True)


def false(folder: Path) -> None:
    print(
        "without drift, 50 windows (20 for peers): share of windows with an alarm, of streams with one, "
        "findings a window"
    )
    for stream in STREAMS:
        for name in (*OURS, *PEERS):
            streams, windows = (4, 50) if name in OURS else (1, 20)  # peers take minutes where ours take seconds
            found = measured(folder, name, "false", stream, folder / "data", streams, windows)
            shown = "not measured" if found is None else "  ".join(f"{value:.3f}" for value in found)
            print(f"{stream:15} {name:16} {shown}", flush=True)


def power(folder: Path) -> None:
    print("share of windows that find the change, and mean windows until it is found")
    for name in (*OURS, *PEERS):
        found = measured(folder, name, "power", 60 if name in OURS else 10)
        shown = {change: f"{hit:.2f}/{delay:.1f}" for change, (hit, delay) in (found or {}).items()}
        print(name, shown or "not measured", flush=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for task in sys.argv[2:] or ("speed", "false", "power"):
        {"speed": speed, "false": false, "power": power}[task](place)
