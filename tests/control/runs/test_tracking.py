"""MLflow's database where there is no room for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from falaj.control.runs.tracking import Tracking, TrackingUnavailableError
from falaj.core.home import Home


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
