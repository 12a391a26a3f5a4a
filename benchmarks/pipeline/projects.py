"""Projects that do nearly nothing, so that what is measured is the machinery around the steps."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STEPS = """
def first() -> int:
    return 0


def add(before: int) -> int:
    return before + 1
"""

RUN = """
import sys
from pathlib import Path
from falaj.supply_chain.artifacts import open_store
from falaj.build.pipeline import execute
from falaj.core.venv.environment import Environment
from falaj.config.spec import ProjectSpec, StepSpec

root, count, run = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
steps = {"s0": StepSpec("s0", run="steps:first")}
for index in range(1, count):
    steps[f"s{index}"] = StepSpec(f"s{index}", run="steps:add", inputs=(f"s{index - 1}",))
result = execute(
    ProjectSpec("m", "o", steps=steps), worktree=root, run_dir=root / "home" / "runs" / run,
    environment=Environment(Path(sys.executable), "bench", False), store=open_store(str(root / "home" / "store")),
)
assert result.ok, result
"""


def make_project(root: Path) -> None:
    """A chain of steps that add one."""
    root.mkdir(parents=True)
    (root / "steps.py").write_text(STEPS)
    (root / "run.py").write_text(RUN)


def run_falaj(root: Path, count: int, run: str) -> None:
    """Execute the chain in a new python."""
    subprocess.run([sys.executable, str(root / "run.py"), str(root), str(count), run], check=True)


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cpu_seconds(action: Callable[[], object]) -> float:
    """How long the processes that an action starts and waits for keep a core busy, in user and kernel mode."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def side_by_side(
    actions: Sequence[Callable[[], object]], rounds: int, clock: Callable[[Callable[[], object]], float] = seconds
) -> list[float]:
    """The median of each action's times; they take turns, so that a busy machine is busy for all of them."""
    times = [[clock(action) for action in actions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def report(rows: Sequence[tuple[str, float, str]]) -> None:
    """Print measured values beside what they should be."""
    print(f"cores: {len(os.sched_getaffinity(0))}, load: {os.getloadavg()[0]:.1f}")
    for name, value, target in rows:
        print(f"{name:<64} {value:8.2f}   {target}")
