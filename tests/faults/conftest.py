from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.e2e.installation import Installation, installed

STEPS = 5


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home") as found:
        yield found


@pytest.fixture
def slow_project(installation: Installation, tmp_path: Path) -> Path:
    """Five chained steps; each leaves a mark of every execution outside the project and takes a moment."""
    folder = tmp_path / "slow"
    (folder / "src" / "slow").mkdir(parents=True)
    marks = tmp_path / "marks"
    marks.mkdir()
    (folder / "src" / "slow" / "__init__.py").touch()
    (folder / "src" / "slow" / "steps.py").write_text(
        dedent(
            f"""
            import os, subprocess, time

            def work(number: int, before: int | None = None) -> int:
                with open("{marks}/" + str(number), "a") as marks:
                    marks.write("x")
                subprocess.Popen(["sleep", "0.9"], start_new_session=True)
                time.sleep(0.6)
                return number

            def first(number: int) -> int:
                return work(number)

            def later(before: int, number: int) -> int:
                return work(number, before)
            """
        )
    )
    lines = ["model: slow", "owner: a@example.org", "pipeline:"]
    lines += ["  s0: {run: 'slow.steps:first', params: {number: 0}}"]
    lines += [
        f"  s{n}: {{run: 'slow.steps:later', inputs: [s{n - 1}], params: {{number: {n}}}}}" for n in range(1, STEPS)
    ]
    (folder / "falaj.yaml").write_text("\n".join(lines) + "\n")
    return installation.repository(folder, "slow")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"
