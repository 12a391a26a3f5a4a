"""A run that scores: what it asks for, and what comes of it; the command itself is tested where it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from falaj.build.pipeline.events import RunEvent
from falaj.control.runs import scoring_run
from falaj.control.runs.contract import RunResult, RunSpec
from falaj.core.home import Home
from falaj.supply_chain.artifacts import open_store

Answer = tuple[int | None, str, str]


def entry_of(folder: Path) -> dict[str, Any]:
    (folder / "new.csv").write_text("x\n1\n")
    return {
        "input": "new", "url": f"file://{folder}/new.csv", "classification": "personal", "origin": "AE", "sector": "",
        "output": f"file://{folder}/out", "environment": "prod", "location": "local", "keep": ["x"], "on": "event",
        "model": "m", "file": "new-1.parquet",
    }  # fmt: skip


@pytest.fixture
def scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Answer], tuple[RunResult, list[RunEvent], Any]]:
    home, store = Home(tmp_path / "home", {}).prepare(), open_store(str(tmp_path / "store"))
    order = RunSpec("r1", "/r", "", "a" * 40, "", {scoring_run.PARAMETERS: entry_of(tmp_path)}, scoring_run.TRIGGER)

    def score(answer: Answer) -> tuple[RunResult, list[RunEvent], Any]:
        events: list[RunEvent] = []
        commands: list[Any] = []
        monkeypatch.setattr(scoring_run, "_run", lambda command, *_: commands.append(command) or answer)
        outcome = scoring_run.score_source(order, home, store, events.append, lambda: False)
        return outcome, events, commands

    return score


def test_a_source_is_pinned_and_scored_as_the_project_says(
    scored: Callable[[Answer], tuple[RunResult, list[RunEvent], Any]], tmp_path: Path
) -> None:
    score_output = json.dumps({"rows": 1, "release": "m@3", "digest": "sha256:1"})
    outcome, events, (command,) = scored((0, score_output, ""))
    assert outcome.ok and outcome.reason == f"1 rows by m@3: {tmp_path}/out/new-1.parquet"
    assert [event.kind for event in events] == ["step.started", "step.log", "step.finished"]
    source = tmp_path / "home" / "runs" / "r1" / "input" / "new.csv"
    assert command == [
        "score", "m", str(source), "--output", f"{tmp_path}/out/new-1.parquet", "--environment", "prod",
        "--location", "local", "--classification", "personal", "--origin", "AE", "--keep", "x", "--json",
    ]  # fmt: skip
    assert source.read_text() == "x\n1\n"


def test_a_refusal_is_the_reason_of_the_run(scored: Callable[[Answer], tuple[RunResult, list[RunEvent], Any]]) -> None:
    outcome, events, _ = scored((2, "", "error: column 'x' missing\n  at: new.csv\n  fix: it has y\n"))
    assert (outcome.state, outcome.reason) == ("failed", "error: column 'x' missing at: new.csv")
    assert events[-1].kind == "step.failed"


def test_what_a_worker_did_before_it_was_killed_is_not_done_again(
    scored: Callable[[Answer], tuple[RunResult, list[RunEvent], Any]], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "new-1.parquet").write_bytes(b"")
    outcome, _, commands = scored((0, "", ""))
    assert outcome.ok and not commands


def test_a_cancelled_run_is_cancelled(scored: Callable[[Answer], tuple[RunResult, list[RunEvent], Any]]) -> None:
    assert scored((None, "", ""))[0].state == "cancelled"
