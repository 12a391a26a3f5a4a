"""Runs that are filtered and compared."""

from __future__ import annotations

import json
from pathlib import Path

from falaj.storage import StepRunRow
from tests.cli.conftest import Command
from tests.platforms import Served


def test_runs_are_filtered_and_compared(falaj_served: Command, served: Served, tmp_path: Path) -> None:
    with served.platform.database.transaction() as session:
        fit = session.get_one(StepRunRow, (served.run_id, "fit"))
        fit.detail = {**fit.detail, "params": {"depth": 4}, "inputs": {"flights": "sha256:1"}}
    passing = falaj_served("run", "list", "--filter", "param.depth > 3 and state = succeeded", "--json")
    assert [run["id"] for run in json.loads(passing.stdout)] == [served.run_id], passing.stderr
    assert json.loads(falaj_served("run", "list", "--filter", "param.depth > 4", "--json").stdout) == []
    wrong = falaj_served("run", "list", "--filter", "depth > 4")
    assert wrong.returncode == 2 and "character 1" in wrong.stderr
    same = falaj_served("run", "compare", served.run_id, served.run_id, "--html", "page.html")
    assert same.returncode == 0 and "nothing that is known of them differs" in same.stdout, same.stderr
    assert "param.fit.depth" in (tmp_path / "page.html").read_text()
