from __future__ import annotations

import json

from falaj.build.pipeline.events import RunEvent


def test_an_event_survives_json() -> None:
    event = RunEvent("step.log", 12.5, "fit[seed=1]", {"lines": ["a", "b"]})
    assert RunEvent.from_json(json.loads(json.dumps(event.to_json()))) == event
