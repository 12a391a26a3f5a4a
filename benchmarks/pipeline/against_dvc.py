"""A no-op re-run of a 5-step pipeline, beside DVC on the same work.

    python benchmarks/pipeline/against_dvc.py [--rounds 5] [--dvc 3.67.0]

DVC is installed into a scratch environment of its own. Both are started as commands, find that nothing has changed,
and end. The two take turns, and medians are compared.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import uv
from projects import make_project, report, run_falaj, side_by_side

STAGE = """  s{index}:
    cmd: {python} stage.py {index}
    deps: [stage.py{before}]
    outs: [out{index}.txt]
"""
SCRIPT = """import sys
index = int(sys.argv[1])
before = int(open(f"out{index - 1}.txt").read()) if index else -1
open(f"out{index}.txt", "w").write(str(before + 1))
"""
QUIET = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "DVC_TEST": "1"}


def install_dvc(folder: Path, version: str) -> Path:
    """The `dvc` program in a new environment."""
    binary = uv.find_uv_bin()
    subprocess.run([binary, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    command = [binary, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder), f"dvc=={version}"]
    subprocess.run(command, check=True)
    return folder / "bin" / "dvc"


def make_dvc_project(root: Path, dvc: Path, count: int) -> None:
    """The same chain as a DVC pipeline, run once."""
    root.mkdir()
    (root / "stage.py").write_text(SCRIPT)
    stages = [
        STAGE.format(index=index, python=sys.executable, before=f", out{index - 1}.txt" if index else "")
        for index in range(count)
    ]
    (root / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    run_dvc(root, dvc, "init", "-q")
    run_dvc(root, dvc, "config", "core.analytics", "false")
    run_dvc(root, dvc, "repro", "-q")


def run_dvc(root: Path, dvc: Path, *arguments: str) -> None:
    """Run DVC in a project."""
    subprocess.run([dvc, *arguments], cwd=root, check=True, env={**os.environ, **QUIET}, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--dvc", default="3.67.0", help="version to install")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        dvc = install_dvc(scratch / "dvc-env", chosen.dvc)
        make_dvc_project(scratch / "with-dvc", dvc, 5)
        make_project(scratch / "with-falaj")
        run_falaj(scratch / "with-falaj", 5, "first")
        ours, theirs = side_by_side(
            [
                lambda: run_falaj(scratch / "with-falaj", 5, "again"),
                lambda: run_dvc(scratch / "with-dvc", dvc, "repro", "-q"),
            ],
            chosen.rounds,
        )
        report([(f"no-op run of 5 steps: DVC {chosen.dvc} / Falaj", theirs / ours, "at least 4")])


if __name__ == "__main__":
    main()
