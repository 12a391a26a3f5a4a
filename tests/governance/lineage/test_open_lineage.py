from __future__ import annotations

import uuid
from datetime import datetime

from falaj.governance.lineage import Edge, Node, events_of


def test_each_step_starts_and_completes_with_what_it_read_and_made() -> None:
    fit, data, model = Node("step", "r1/fit"), Node("artifact", "sha256:d"), Node("artifact", "sha256:m")
    other = Edge(Node("step", "r2/fit"), "read", data)
    start, complete = events_of(
        "r1", "flights", [Edge(fit, "read", data), Edge(model, "made by", fit), other], 1.0, 9.5
    )
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"] == complete["run"]
    assert uuid.UUID(start["run"]["runId"]).version == 5
    assert start["job"] == {"namespace": "falaj:flights", "name": "fit"}
    assert complete["inputs"] == start["inputs"] == [{"namespace": "falaj:artifact", "name": "sha256:d"}]
    assert (start["outputs"], complete["outputs"]) == ([], [{"namespace": "falaj:artifact", "name": "sha256:m"}])
    assert datetime.fromisoformat(complete["eventTime"]).timestamp() == 9.5
    assert all(each["schemaURL"].endswith("RunEvent") and each["producer"] for each in (start, complete))
