"""A replica whose log is on a disk that fills up: it predicts on, and accepts no label that it could not keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from falaj.build.packaging import PackagingResult
from falaj.dataplane.prediction_log import LABELS, follow, labels_of, tail
from tests.dataplane.serving.conftest import Replica, models, packaged, serve
from tests.faults.test_disk import disk, filled, pytestmark

__all__ = ["disk", "models", "packaged", "pytestmark", "serve"]


def labels(folder: Path) -> list[str]:
    entries, _ = follow(folder, {}, kind=LABELS)
    return [one.prediction_id for entry in entries for one in labels_of(entry.header, entry.raw)]


def predict(replica: Replica, *names: str) -> Any:
    items = [{"prediction_id": name, "label": 1} for name in names]
    return replica.client.post("/feedback", json={"labels": items}, headers={"falaj-caller": "c-ana"})


def test_labels_are_refused_while_the_disk_is_full_and_kept_again_afterwards(
    disk: Path, serve: Callable[..., Replica], packaged: Callable[[str], tuple[Path, PackagingResult]]
) -> None:
    log = disk / "log"
    replica = serve(packaged("linear")[0], "--log", str(log))
    assert predict(replica, "before").status_code == 202
    with filled(disk):
        for _ in range(3):
            refused = predict(replica, *(f"lost-{number}" for number in range(2000)))
            assert (refused.status_code, refused.json()["code"]) == (503, "serving.feedback-unavailable")
            assert int(refused.headers["retry-after"]) > 0
            assert replica.invoke({"instances": [[5.0, 700.0]]}).status_code == 200
    assert predict(replica, "after").status_code == 202
    assert replica.invoke({"instances": [[5.0, 700.0]]}, headers={"x-request-id": "after"}).status_code == 200
    assert labels(log) == ["before", "after"]
    assert [one.request_id for one in tail(log, {})[0]][-1] == "after"
    assert not list(log.glob("*.new"))
