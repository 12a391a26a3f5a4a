"""What the sandbox costs a step, and a run that does something.

    python benchmarks/pipeline/sandbox.py [--rounds 15]

The same processes are started in the whole sandbox, behind one without namespaces, and by `subprocess` alone. The ways
take turns within a round, and each round is compared with its own unprotected one, in seconds and in processor time,
which says little about other work on the machine. Medians are given with an interval of 95% by order statistics.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from falaj.core.sandbox import Launch, Sandbox, offered, python_folders, scratch_environ, start

WORK = {
    "nothing": "pass",
    "a fit": "import numpy; from sklearn.ensemble import HistGradientBoostingClassifier as M; "
    "x = numpy.random.default_rng(0).normal(size=(20000, 10)); M(max_iter=60).fit(x, x[:, 0] > 0)",
}


def behind(sandbox: Sandbox, code: str, scratch: Path) -> Callable[[], None]:
    """Run code in a sandbox."""
    python = Path(sys.executable)
    environ = {**scratch_environ(scratch, os.environ), "OMP_NUM_THREADS": "1"}
    launch = Launch((str(python), "-c", code), scratch, environ, python_folders(python), scratch)

    def run() -> None:
        launched = start(launch, sandbox, None)
        if launched.process.wait():
            raise SystemExit("the work failed")
        os.close(launched.receipt)

    return run


def bare(code: str) -> Callable[[], None]:
    """Run code without a launcher."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, env=environ) and None


def timed(action: Callable[[], None]) -> tuple[float, float]:
    """Seconds of the wall clock, and of the processor by the children."""
    begin, before = time.perf_counter(), os.times()
    action()
    after = os.times()
    spent = sum(after[2:4]) - sum(before[2:4]) + sum(after[:2]) - sum(before[:2])
    return time.perf_counter() - begin, spent


def interval(values: list[float]) -> tuple[float, float, float]:
    """The median and an interval that holds it with 95%."""
    ordered, count = sorted(values), len(values)
    reach = 1.96 * math.sqrt(count) / 2
    low, high = max(0, math.floor(count / 2 - reach)), min(count - 1, math.ceil(count / 2 + reach))
    return ordered[count // 2], ordered[low], ordered[high]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    rounds = options.parse_args().rounds
    sandboxes = {"whole sandbox": offered(), "without namespaces": replace(offered(), namespaces=False)}
    with tempfile.TemporaryDirectory() as folder:
        for name, code in WORK.items():
            actions = {sandbox: behind(which, code, Path(folder)) for sandbox, which in sandboxes.items()}
            base, times = bare(code), {sandbox: [] for sandbox in sandboxes}
            for _ in range(rounds):
                unprotected = timed(base)
                for sandbox, action in actions.items():
                    times[sandbox].append((timed(action), unprotected))
            for sandbox, pairs in times.items():
                for kind, unit in enumerate(("seconds", "processor time")):
                    more, low, high = interval([1000 * (own[kind] - other[kind]) for own, other in pairs])
                    ratio, least, most = interval([own[kind] / other[kind] for own, other in pairs])
                    print(
                        f"{name}, {sandbox}, {unit}: {more:.0f} ms more [{low:.0f}, {high:.0f}], "
                        f"ratio {ratio:.2f} [{least:.2f}, {most:.2f}]"
                    )


if __name__ == "__main__":
    main()
