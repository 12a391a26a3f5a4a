"""Runs as OpenLineage events, for catalogues that collect lineage from many systems (pure).

Source: OpenLineage specification 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from falaj.governance.lineage.graph import Edge

SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = "https://falaj.dev/lineage"
_NAMES = uuid.UUID("6f6e8a4e-3c0c-5d0e-9f5a-2f5f1f7c6b10")


def events_of(run: str, project: str, edges: Iterable[Edge], began_at: float, ended_at: float) -> list[dict[str, Any]]:
    """The events of a finished run: one START and one COMPLETE for each step, with what it read and made.

    Args:
        run: Id of the run.
        project: Its project; the namespace of its jobs.
        edges: At least those of its steps.
        began_at: Unix seconds.
        ended_at: Unix seconds.

    Returns:
        Events in the order of the steps' names, as JSON values.
    """
    read: dict[str, list[str]] = {}
    made: dict[str, list[str]] = {}
    for edge in sorted(set(edges)):
        if edge.relation == "read" and edge.derived.kind == "step":
            read.setdefault(edge.derived.name, []).append(edge.origin.name)
        if edge.relation == "made by" and edge.origin.kind == "step":
            made.setdefault(edge.origin.name, []).append(edge.derived.name)
    steps = sorted(name for name in {*read, *made} if name.startswith(f"{run}/"))
    return [
        _event(kind, at, project, step, {"inputs": read.get(step, []), "outputs": made.get(step, [])})
        for step in steps
        for kind, at in (("START", began_at), ("COMPLETE", ended_at))
    ]


def _event(kind: str, at: float, project: str, step: str, data: Mapping[str, list[str]]) -> dict[str, Any]:
    datasets = {name: [{"namespace": "falaj:artifact", "name": digest} for digest in data[name]] for name in data}
    return {
        "eventType": kind,
        "eventTime": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
        "run": {"runId": str(uuid.uuid5(_NAMES, step))},  # the same step is the same run, whenever it is exported
        "job": {"namespace": f"falaj:{project}", "name": step.partition("/")[2]},
        **(datasets if kind == "COMPLETE" else {"inputs": datasets["inputs"], "outputs": []}),
    }
