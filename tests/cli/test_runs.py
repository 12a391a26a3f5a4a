"""Runs that are filtered and compared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from falaj.cli.application import application
from falaj.control.runs import queue
from falaj.sdk import Client
from falaj.storage import StepRunRow
from tests.cli.conftest import Command
from tests.platforms import COMMIT, Served
from tests.waiting import until

pytestmark = pytest.mark.integration


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


def test_a_run_is_started_and_waited_for(served: Served) -> None:
    client, ended = Client.from_home(served.home), {"state": "rejected", "reason": "a gate"}

    def started(state: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
            patch.setenv("FALAJ_HOME", str(served.home.root))
            newest = client.runs(limit=1)[0].id
            command = pool.submit(CliRunner().invoke, application(), ["run", "start", "flights", COMMIT, "--wait"])
            until(lambda: client.runs(limit=1)[0].id != newest)
            run_id = client.runs(limit=1)[0].id
            with served.platform.database.transaction() as session:
                queue.record(session, f"run/{run_id}", "run.ended", {**ended, "state": state}, 1.0)
            result = command.result()
        return result.exit_code, result.stdout

    code, text = started("rejected")
    assert code == 1 and "rejected in" in text and "a gate" in text
    assert started("succeeded")[0] == 0
