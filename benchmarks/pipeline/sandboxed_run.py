"""What the sandbox costs a whole run: steps, checks, packaging and gates of the project that `falaj init` makes.

    python benchmarks/pipeline/sandboxed_run.py [--rounds 7] [--checks model-files] [--environments FOLDER]

Each run is a process of its own with an empty store; the environment is built before. In each round the project is run
once in the whole sandbox, and once with its processes started as they are. The processor time of all processes is
compared within the round, since it says little about other work on the machine; seconds are printed beside it. Each
ratio is a median with an interval of 95% by order statistics.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uv

from falaj.core.sandbox import Launch, Launched, Sandbox

TARGET = 1.10


def start_bare(launch: Launch, _sandbox: Sandbox, stdout: int | None = subprocess.PIPE) -> Launched:
    """Start what an order names without a launcher."""
    (launch.scratch / "tmp").mkdir(parents=True, exist_ok=True)
    heard, write_end = os.pipe()
    os.close(write_end)
    process = subprocess.Popen(
        launch.command, cwd=launch.folder, env=dict(launch.environ), stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=subprocess.STDOUT, bufsize=0, start_new_session=True,
    )  # fmt: skip
    return Launched(process, heard)


def run_once(project: Path, home: Path, *, sandboxed: bool) -> None:
    """One run in this process."""
    from falaj.control.runs.local import run_checkout
    from falaj.core.home import Home
    from falaj.core.os_processes import process

    if not sandboxed:
        process.start = start_bare
    outcome = run_checkout(project, Home(home, dict(os.environ)), {}, lambda _event: None)
    if not outcome.ok:
        raise SystemExit(f"the run ended: {outcome.reason}")


def measured(project: Path, home: Path, *, sandboxed: bool) -> tuple[float, float]:
    """Seconds of one run, and of the processor."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    way = "--sandboxed" if sandboxed else "--bare"
    subprocess.run([sys.executable, __file__, way, str(project), str(home)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, spent


def make_project(folder: Path, checks: str) -> Path:
    """The template's project with its lockfile."""
    from falaj.config.create import create_project

    project = folder / "tumours"
    create_project(project, "tumours")
    spec = project / "falaj.yaml"
    spec.write_text(spec.read_text().replace("[static, tests, secrets, model-files]", f"[{checks}]"))
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environ["UV_PROJECT_ENVIRONMENT"] = str(folder / "venv")
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=project, env=environ, check=True)
    return project


def home_of(folder: Path, name: str, environments: Path) -> Path:
    """An empty home that shares the environments of projects."""
    home = folder / name
    home.mkdir()
    environments.mkdir(exist_ok=True)
    (home / "envs").symlink_to(environments, target_is_directory=True)
    return home


def main() -> None:
    """Measure and print, or be one of the measured runs."""
    if sys.argv[1:2] in (["--sandboxed"], ["--bare"]):
        run_once(Path(sys.argv[2]), Path(sys.argv[3]), sandboxed=sys.argv[1] == "--sandboxed")
        return
    from sandbox import interval

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--checks", default="model-files")
    options.add_argument("--environments", type=Path, help="where environments of projects are kept")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        project = make_project(folder, arguments.checks)
        environments = arguments.environments or folder / "envs"
        if not environments.is_dir():
            measured(project, home_of(folder, "first", environments), sandboxed=True)  # builds the environment
        seconds, processor = [], []
        for number in range(arguments.rounds):
            ways = (True, False) if number % 2 else (False, True)
            timings = {
                way: measured(project, home_of(folder, f"{number}-{way}", environments), sandboxed=way) for way in ways
            }
            seconds.append(timings[True][0] / timings[False][0])
            processor.append(timings[True][1] / timings[False][1])
            print(
                f"round {number + 1}: {timings[True][1]:.1f} s of the processor, bare {timings[False][1]:.1f} s",
                flush=True,
            )
    for name, ratios in (("processor time", processor), ("seconds", seconds)):
        ratio, low, high = interval(ratios)
        print(f"{name}: ratio {ratio:.3f} [{low:.3f}, {high:.3f}], target at most {TARGET:.2f}")


if __name__ == "__main__":
    main()
