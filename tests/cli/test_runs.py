"""Runs that are filtered and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from falaj.cli.application import application
from falaj.cli.commands.run_inspection import follow
from falaj.control.runs import queue
from falaj.core.errors import FalajError, UnavailableError
from falaj.schemas.api import Event
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


class Flaky:
    """A client whose server goes away, with what it says each time that it is asked."""

    def __init__(self, *answers: list[Event] | FalajError) -> None:
        self._answers = list(answers)
        self.asked_after: list[int] = []

    def events(self, _subject: str, after: int = 0) -> Iterator[Event]:
        self.asked_after.append(after)
        answer = self._answers.pop(0)
        if isinstance(answer, FalajError):
            raise answer
        yield from answer


ENDED = Event(9, 1.0, "run/r1", "run.ended", {"state": "succeeded"})


def test_a_server_that_is_away_is_asked_again_from_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("falaj.cli.commands.run_inspection.time.sleep", lambda _: None)
    started = Event(4, 1.0, "run/r1", "run.started", {})
    flaky = Flaky(UnavailableError("away"), [started], UnavailableError("away"), [ENDED])
    assert follow(cast("Client", flaky), "r1", quiet=True, timeout_s=600)
    assert flaky.asked_after == [0, 0, 4, 4]
    with pytest.raises(UnavailableError):
        follow(cast("Client", Flaky(UnavailableError("away"))), "r1", quiet=True)


def test_what_does_not_end_is_left_after_the_time(served: Served) -> None:
    with pytest.raises(UnavailableError, match=r"has not ended in 0\.5 s") as error:
        follow(Client.from_home(served.home), "a-run-that-says-nothing", quiet=True, timeout_s=0.5)
    assert error.value.exit_code == 6


@pytest.mark.parametrize("option", [("--junit", "x.xml"), ("--timeout", "2h"), ("--wait", "--timeout", "soon")])
def test_waiting_asks_for_waiting(falaj_served: Command, option: tuple[str, ...]) -> None:
    assert falaj_served("run", "start", "flights", COMMIT, *option).returncode == 2


def test_a_run_is_started_and_waited_for(served: Served) -> None:
    report = served.home.root / "falaj.xml"
    command_line = ["run", "start", "flights", COMMIT, "--wait", "--junit", str(report)]
    client, ended = Client.from_home(served.home), {"state": "rejected", "reason": "a gate"}

    def started(state: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
            patch.setenv("FALAJ_HOME", str(served.home.root))
            newest = client.runs(limit=1)[0].id
            command = pool.submit(CliRunner().invoke, application(), command_line)
            until(lambda: client.runs(limit=1)[0].id != newest)
            run_id = client.runs(limit=1)[0].id
            with served.platform.database.transaction() as session:
                queue.record(session, f"run/{run_id}", "run.ended", {**ended, "state": state}, 1.0)
            result = command.result()
        return result.exit_code, result.stdout

    code, text = started("rejected")
    assert code == 1 and "rejected in" in text and "a gate" in text
    assert started("succeeded")[0] == 0
    assert "<testsuite" in report.read_text()
