"""Drift reports beside peers: speed, false alarms, power and delay.

`python benchmarks/monitoring/drift/against_peers.py FOLDER [speed|false|power]...`, after `peers.py FOLDER`. A peer
that is not installed is left out and said to be. All are given the same windows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ("evidently", "nannyml", "alibi-detect", "whylogs")
OURS = ("falaj", "falaj rows", "falaj over time")
THEIRS = ("evidently tests", "nannyml", "alibi-detect", "whylogs")  # evidently's tests alone say what its report does
STREAMS = (
    "synthetic", "flights days", "flights rows", "bikeshare days", "bikeshare rows", "rainfall days", "rainfall rows",
)  # fmt: skip
REFERENCES, WINDOWS, CHANGED_WINDOWS = 4, 25, 8
LONGEST = 1500


def measured(folder: Path, name: str, *arguments: object) -> object:
    own = next((folder / peer / "bin/python" for peer in PEERS if name.startswith(peer)), Path(sys.executable))
    if not own.exists():
        return None
    command = [str(own), str(HERE / "run_one.py"), name, *map(str, arguments)]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        print(f"  {name} {arguments}: longer than {LONGEST} s", file=sys.stderr)
        return None
    lines = [line for line in process.stdout.splitlines() if line.startswith("ANSWER ")]
    if not lines:
        print(f"  {name} {arguments}: {process.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(lines[-1].removeprefix("ANSWER "))


def speed(folder: Path, sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000), runs: int = 3) -> None:
    names = ("numpy limit", "falaj", "falaj rows", "evidently", "nannyml chunks", *THEIRS)
    print("CPU of a report over 20 features: median (least to most, runs), each beside the others of its run")
    for rows in sizes:
        spent: list[dict] = []
        for _ in range(runs):
            spent.append({})
            for name in names:
                spent[-1][name] = measured(folder, name, "speed", rows, 3)
                print(f"{rows:>9} {name:14} {spent[-1][name]} seconds", flush=True)
        for name in names[1:]:
            shown = [
                _spread([run[name] / run[beside] for run in spent if run[name] and run[beside]])
                for beside in ("numpy limit", "falaj", "falaj rows")
            ]
            print(f"{rows:>9} {name:14}", " / ".join(shown), flush=True)


def _spread(ratios: list[float]) -> str:
    if not ratios:
        return "not measured"
    return f"{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g}, {len(ratios)})"


def false(folder: Path) -> None:
    print(
        f"without drift, {REFERENCES} references with {WINDOWS} windows each: share of windows with an alarm, of "
        "references with one, findings a window"
    )
    for stream in STREAMS:
        for name in (*OURS, *THEIRS):
            answers = measured(folder, name, "false", stream, folder / "data", REFERENCES, WINDOWS)
            shown = "not measured" if answers is None else "  ".join(f"{value:.3f}" for value in answers)
            print(f"{stream:15} {name:16} {shown}", flush=True)


def power(folder: Path) -> None:
    print(
        f"{REFERENCES} references with {CHANGED_WINDOWS} windows each: share of windows in which what changed is named "
        "/ anything is; gradual: windows until it is named / share of runs in which it is not"
    )
    for name in (*OURS, *THEIRS):
        answers = measured(folder, name, "power", REFERENCES, CHANGED_WINDOWS)
        shown = {change: "/".join(f"{share:.2f}" for share in shares) for change, shares in (answers or {}).items()}
        print(name, shown or "not measured", flush=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for task in sys.argv[2:] or ("speed", "false", "power"):
        {"speed": speed, "false": false, "power": power}[task](place)
