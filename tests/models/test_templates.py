"""Templates whose models are not plain tables of numbers: run as they are written, and served."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from falaj.config import create_project
from falaj.control.notary import open_office
from falaj.control.runs import execution
from falaj.control.runs.contract import RunContext, RunResult, RunSpec
from falaj.control.runs.execution import execute_run
from falaj.core.home import Home
from falaj.core.venv.environment import Environment
from falaj.supply_chain.artifacts import open_home_store

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    this_environment = Environment(Path(sys.executable), "tests", reproducible=False)
    monkeypatch.setattr(execution, "build", lambda *_, **__: this_environment)
    home = Home(tmp_path / "home", {})
    home.prepare()
    return home


def run(home: Home, folder: Path, template: str) -> RunResult:
    create_project(folder, "my-shop", template)
    order = RunSpec("r1", str(folder), "", "a" * 40, "A <a@example.org>", {}, "manual")
    around = RunContext(
        home=home, store=open_home_store(home), notary=open_office(home), emit=lambda _: None,
        cancelled=lambda: False, live=lambda _: None, tracking=lambda *_: {},
    )  # fmt: skip
    return execute_run(order, folder, around)


def test_a_message_is_answered_with_its_team(home: Home, tmp_path: Path, serve: Callable[..., Any]) -> None:
    outcome = run(home, tmp_path / "project", "text")
    assert outcome.ok and outcome.digest, outcome.reason
    assert outcome.data["selection"]["best"].startswith("fit[longest_phrase=")
    model = open_home_store(home).fetch(outcome.digest, tmp_path / "model")
    body = {"dataframe_records": [{"text": "My card was charged twice."}, {"text": "The courier never rang the bell"}]}
    answer = serve(model).invoke(body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == ["billing", "delivery"]


def test_a_day_ahead_is_answered_with_what_will_be_sold(home: Home, tmp_path: Path, serve: Callable[..., Any]) -> None:
    outcome = run(home, tmp_path / "project", "forecasting")
    assert outcome.ok and outcome.digest, outcome.reason
    assert outcome.metrics["metric.evaluate.mae"] < outcome.metrics["metric.evaluate.mae_naive"]
    model = open_home_store(home).fetch(outcome.digest, tmp_path / "model")
    row = {"shop": "harbour", "horizon": 3, "weekday": 4, "week_before": 140, "same_weekday": 138.0,
           "mean_of_four_weeks": 101.0}  # fmt: skip
    answer = serve(model).invoke(
        {"dataframe_records": [row, row | {"weekday": 6, "week_before": 70, "same_weekday": 72.0}]}
    )
    assert answer.status_code == 200, answer.text
    friday, sunday = answer.json()["predictions"]
    assert 110 < friday < 170 and 40 < sunday < 110
