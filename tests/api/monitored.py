"""An endpoint with a release that has a reference, and a location that tells of it, for tests of monitors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from falaj.api.monitors import MonitorWatch
from falaj.api.platform import Platform
from falaj.control.monitoring.evaluation import WindowBlock
from falaj.statistics.reference import ReleaseReference
from falaj.storage import EndpointRow, ProjectRow, ReleaseRow
from tests.control.monitoring.evaluation.scene import REFERENCE, ROWS, Change, runs, window
from tests.owners import own

COUNTS = "/api/v1/locations/local/profiles"


@dataclass
class Monitored:
    """`prod/delay` at `local`."""

    platform: Platform
    client: TestClient
    now: float = 1_700_000_000.0
    reported: dict[int, int] = field(default_factory=dict)
    losses: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self.platform, "now", lambda: self.now)
        self.watch = MonitorWatch(self.platform)

    def release(self, number: int, reference: ReleaseReference | None, folder: Path) -> None:
        """Publish a release and let the endpoint serve it."""
        digest = None
        if reference is not None:
            reference.write(folder / f"reference-{number}")
            digest = str(self.platform.store.put(folder / f"reference-{number}").digest)
        with self.platform.database.transaction() as session:
            if session.get(ProjectRow, "delays") is None:
                session.add(ProjectRow(name="delays", repository="r", branch="main", created_at=0.0))
                own(session, "delay", "delays")
            session.add(
                ReleaseRow(
                    model="delay", number=number, project="delays", run_id=f"run{number}", commit="c" * 40, digest="d",
                    state="live", data={"reference": digest, "retrain": [{"on": "drift"}]}, created_at=0.0,
                )
            )  # fmt: skip
            row = session.get(EndpointRow, ("local", "prod", "delay"))
            if row is None:
                row = EndpointRow(location="local", environment="prod", model="delay", version=1, plan={"digest": "d"})
                session.add(row)
            row.release, row.status, row.updated_at = number, {"release": number, "state": "ready"}, self.now

    def tell(self, blocks: Iterable[dict[str, Any]], losses: Iterable[dict[str, Any]] = ()) -> Any:
        answer = self.client.put(COUNTS, json={"blocks": list(blocks), "losses": list(losses)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def windows(
        self, count: int, change: Change | None = None, *, release: int = 3, labelled: int = ROWS, flipped: float = 0.0
    ) -> list[dict[str, Any]]:
        """Windows that come one after another, each told and judged before the next."""
        monitor_states = []
        for _ in range(count):
            number = self.reported.get(release, 0)
            blocks, loss = window(100 * release + number, change, labelled=labelled, flipped=flipped)
            self.losses += [loss] if labelled else []
            self.reported[release] = number + 1
            run_reports = [{**key(release), **run.__dict__} for run in runs(self.losses)] if self.losses else []
            self.tell([document(blocks[0], number, release)], run_reports)
            self.judge()
            monitor_states.append(self.client.get("/api/v1/monitors").json()[0])
        return monitor_states

    def judge(self) -> int:
        self.now += 10.0
        return self.watch.turn(self.now)

    def alerts(self, **query: Any) -> list[dict[str, Any]]:
        alert_list: list[dict[str, Any]] = self.client.get("/api/v1/alerts", params=query).json()
        return alert_list

    def alert(self) -> dict[str, Any]:
        (only,) = self.alerts(open=True)
        alert_details: dict[str, Any] = self.client.get(f"/api/v1/alerts/{only['id']}").json()
        return alert_details

    def ask(self, alert: str, what: str, **body: Any) -> Any:
        return self.client.post(f"/api/v1/alerts/{alert}/{what}", json=body)


def key(release: int = 3) -> dict[str, str]:
    return {"endpoint": "prod/delay", "release": f"delay@{release}", "arm": "answered"}


def document(block: WindowBlock, number: int, release: int = 3, **more: Any) -> dict[str, Any]:
    """A block as an agent tells of it."""
    return {
        **key(release), "number": number, "start": block.start, "end": block.end, "rows": block.rows, "final": True,
        "revision": 1, "least": 0, "features": block.features.to_json() if block.features else None,
        "predictions": block.predictions.to_json() if block.predictions else None, "losses": block.losses, **more,
    }  # fmt: skip


def monitored(platform: Platform, client: TestClient, folder: Path) -> Monitored:
    """Release 3 with the usual reference."""
    monitored_place = Monitored(platform, client)
    monitored_place.release(3, REFERENCE, folder)
    return monitored_place
