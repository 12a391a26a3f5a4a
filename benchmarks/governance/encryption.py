"""What encryption at rest costs: a large tree in a store in the clear and in an encrypted one, in turns.

    python benchmarks/governance/encryption.py [--gigabytes 1] [--rounds 3] [--work FOLDER]

Prints, for put, verify and fetch, the ratio of the median times (encrypted / in the clear), the peak memory of the
encrypted one, what opening the keys adds to the start of a process, and what a record of the prediction log costs
sealed. Needs four times the tree's size on disk. Times are those of the processes' cores, which other work on the
machine disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "artifacts"))
from large_tree import make_tree

CHILD = """
import resource, sys
from pathlib import Path
from falaj.supply_chain.artifacts import open_home_store
from falaj.core.home import Home
home, argument, target = Home(Path(sys.argv[1]), {{"FALAJ_ENCRYPTION": sys.argv[2]}}), sys.argv[3], sys.argv[4]
store = open_home_store(home.prepare())
{action}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
ACTIONS = {
    "put": "print(store.put(argument).digest)",
    "verify": "store.verify(argument); print(argument)",
    "fetch": "store.fetch(argument, target); print(argument)",
    "open and read one ref": "store.set_ref('steps/x', b'1'); store.get_ref('steps/x'); print(argument)",
}


def run(action: str, home: Path, how: str, argument: str, target: Path) -> tuple[float, int, str]:
    """Processor seconds, peak MB and the digest that an action printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", CHILD.format(action=action), str(home), how, argument, str(target)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(output[1]), output[0]


def one_round(work: Path, how: str) -> dict[str, tuple[float, int]]:
    """Every action once, on a new store."""
    home, argument, costs = work / f"home-{how}", str(work / "tree"), {}
    for name, action in ACTIONS.items():
        cpu, peak, argument = run(action, home, how, argument, work / "copy")
        costs[name] = cpu, peak
    shutil.rmtree(home)
    shutil.rmtree(work / "copy")
    return costs


def log_costs(count: int = 20_000) -> tuple[float, float]:
    """Microseconds of processor time that one record takes, in the clear and sealed."""
    from falaj.dataplane.prediction_log import LogWriter, SegmentHeader, new_log_key
    from falaj.supply_chain.encryption import DataKey

    answers = [("0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a", 7, [tuple(range(20))], {"label": [1], "probability": [0.5]})]
    costs_us = []
    header = SegmentHeader("m@1", "dev/m", tuple(f"x{n}" for n in range(20)), 0)
    for key in (None, new_log_key(DataKey("00" * 16, "default", bytes(32)), header.owner)):
        with tempfile.TemporaryDirectory() as folder:
            writer = LogWriter(Path(folder), header, time.time_ns, key=key)
            started = time.process_time()
            for _ in range(count):
                writer.write(answers)
            costs_us.append((time.process_time() - started) / count * 1e6)
            writer.close()
    return costs_us[0], costs_us[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        make_tree(work / "tree", int(options.gigabytes * 1e9))
        rounds = [{how: one_round(work, how) for how in ("off", "on")} for _ in range(options.rounds)]
    for name in ACTIONS:
        off, on = (statistics.median(round_costs[how][name][0] for round_costs in rounds) for how in ("off", "on"))
        peak = max(round_costs["on"][name][1] for round_costs in rounds)
        print(f"{name:24} {off:7.2f} s -> {on:7.2f} s of a core: {on / off:5.2f} times, peak {peak} MB")
    clear, sealed = log_costs()
    print(f"record of the log        {clear:7.2f} us -> {sealed:6.2f} us: {sealed / clear:5.2f} times")


if __name__ == "__main__":
    main()
