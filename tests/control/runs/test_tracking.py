"""MLflow's database where there is no room for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from falaj.build.pipeline.mlflow_files import Recorded
from falaj.control.runs.tracking import Tracking, TrackingUnavailableError, tracked_candidates
from falaj.core.home import Home

pytestmark = pytest.mark.integration


def _no_page_more(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size where that is larger


@pytest.mark.filterwarnings("ignore")
def test_a_full_disk_is_said_and_the_next_run_is_tracked(tmp_path: Path) -> None:
    tracking = Tracking(Home(tmp_path, {}).prepare())
    first = tracking.open_run("flights", "run1", "abc")
    event.listen(Engine, "connect", _no_page_more)
    engine: Engine = tracking.client._tracking_client.store.engine
    engine.dispose()
    try:
        with pytest.raises(TrackingUnavailableError, match="no space left"):
            for number in range(2, 2000):
                tracking.open_run("flights", f"run{number}", "abc")
    finally:
        event.remove(Engine, "connect", _no_page_more)
        engine.dispose()
    assert tracking.open_run("flights", "again", "abc") != first


@pytest.mark.filterwarnings("ignore")
def test_candidates_are_runs_below_the_run_once(tmp_path: Path) -> None:
    tracking = Tracking(Home(tmp_path, {}).prepare())
    run = tracking.open_run("flights", "run1", "abc")
    for _ in range(2):  # a worker took it over
        candidates = tracked_candidates(tracking, run)
        candidates.record("fit[depth=3]", Recorded({"depth": "3"}, {}, (), None))
        candidates.close("fit[depth=3]", {"depth": "3"}, {"brier.split.validation": 0.2}, ok=True)
        candidates.close("fit[depth=4]", {"depth": "4"}, {}, ok=False)
    experiment = tracking.client.get_run(run).info.experiment_id
    below = tracking.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run}'")
    by_name = {each.info.run_name: (each.info.status, each.data.params, each.data.metrics) for each in below}
    assert by_name == {
        "fit[depth=3]": ("FINISHED", {"depth": "3"}, {"brier.split.validation": 0.2}),
        "fit[depth=4]": ("FAILED", {"depth": "4"}, {}),
    }
    tracked_candidates(tracking, None).close("fit[depth=3]", {}, {}, ok=True)


@pytest.mark.filterwarnings("ignore")
def test_what_steps_were_given_is_tracked_once(tmp_path: Path) -> None:
    tracking = Tracking(Home(tmp_path, {}).prepare())
    run = tracking.open_run("flights", "run1", "abc")
    tracking.close_run(
        run, "succeeded", {"metric.evaluate.auc": 0.9}, {"param.fit.depth": "3", "param.fit.text": "x" * 9000}
    )
    tracking.close_run(run, "succeeded", {}, {"param.fit.depth": "4", "param.fit.rate": "0.1"})  # a worker took it over
    data = tracking.client.get_run(run).data
    assert (data.params["param.fit.depth"], data.params["param.fit.rate"]) == ("3", "0.1")
    assert len(data.params["param.fit.text"]) == 6000 and data.metrics == {"metric.evaluate.auc": 0.9}
