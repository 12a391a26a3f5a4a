from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.e2e.installation import Installation, installed

STEPS = 5


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all: what is killed must come back well enough for the next test."""
    with installed(tmp_path_factory.mktemp("faults") / "home") as found:
        yield found


@pytest.fixture
def slow_project(installation: Installation, tmp_path: Path) -> Path:
    """Five chained steps; each marks its executions outside the project and leaves a process in its own session."""
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
                subprocess.Popen(["sleep", "300"], start_new_session=True)
                time.sleep(0.6)
                while os.path.exists("{tmp_path}/hold-" + str(number)):
                    time.sleep(0.05)
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
    return installation.repository(folder, f"slow-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"
