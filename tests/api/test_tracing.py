"""Traces of runs, as a collector gets them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from falaj.api.platform import Platform
from falaj.api.tracing import RunTraces, spans_of, traced
from falaj.control.runs import queue
from falaj.core.home import Home
from falaj.integrations.otlp import SETTING, Exporter, trace_id_of
from falaj.storage import RunRow, StepRunRow
from tests.integrations.otlp.collector import attributes, collecting
from tests.platforms import Served, fill
from tests.servers import free_ports
from tests.waiting import until

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.integration]


@pytest.fixture
def filled(platform: Platform, tmp_path: Path) -> Served:
    return fill(platform, tmp_path)


def ended_again(platform: Platform, run_id: str) -> None:
    with platform.database.transaction() as session:
        queue.record(session, f"run/{run_id}", "run.ended", {"state": "succeeded", "reason": ""}, 1_012.5)


def test_the_trace_of_a_run_has_its_steps_in_it(filled: Served) -> None:
    run, steps = rows(filled)
    root, *parts = spans_of(run, steps)
    assert (root.name, root.start_s, root.end_s, root.error) == ("run", 1000.0, 1012.5, None)
    assert root.trace_id == trace_id_of(f"run {run.id}") and not root.parent_id
    assert (root.attributes["falaj.trigger"], root.attributes["falaj.waited_s"]) == ("push", 9.0)
    assert [(part.name, part.attributes["falaj.node"]) for part in parts] == [
        ("step", "fit"), ("check", "tests"), ("gate", "auc >= 0.6 on test"),
    ]  # fmt: skip
    assert {(part.trace_id, part.parent_id) for part in parts} == {(root.trace_id, root.span_id)}


def test_what_broke_says_why(filled: Served) -> None:
    run, steps = rows(filled)
    run.state, run.reason = "failed", "step fit: exit 3"
    steps[0].state, steps[1].started_at = "failed", None
    root, *parts = spans_of(run, steps)
    assert root.error == "step fit: exit 3"
    assert [part.error for part in parts] == ["failed", None], "one that never started took no time"


def test_runs_that_end_from_now_on_are_sent_once(filled: Served) -> None:
    with collecting() as collector:
        with traced(at(filled.platform, collector.url)):
            ended_again(filled.platform, filled.run_id)
            traces = RunTraces(filled.platform, Exporter(collector.url, {}))
            assert traces.turn() == 0, "what ended before is no news"
            ended_again(filled.platform, filled.run_id)
            assert (traces.turn(), traces.turn()) == (1, 0)
            until(lambda: bool(collector.spans))
        names = {span.name for span in collector.spans}
        assert names == {"run", "step", "check", "gate"}
        assert attributes(collector.spans[0])["falaj.run"] == filled.run_id


def test_without_the_setting_nothing_is_sent_and_nobody_is_waited_for(filled: Served) -> None:
    with traced(filled.platform):
        pass
    with traced(at(filled.platform, f"http://127.0.0.1:{free_ports(1)[0]}")):
        ended_again(filled.platform, filled.run_id)


def at(platform: Platform, url: str) -> Platform:
    return replace(platform, home=Home(platform.home.root, {SETTING: url}))


def rows(filled: Served) -> tuple[RunRow, list[StepRunRow]]:
    with filled.platform.database.reading() as session:
        steps = session.query(StepRunRow).order_by(StepRunRow.position).all()
        return session.get_one(RunRow, filled.run_id), steps
