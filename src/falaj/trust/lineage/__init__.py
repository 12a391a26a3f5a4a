"""Lineage: what came from what, written as edges when it happens, and answered in one query.

    prediction -> release -> run -> commit, environment lock
                          -> model artifact -> step -> artifact -> ... -> snapshot -> source

Artifacts are named by what is in them, so that one may be known to many runs; a step that found its result made is no
maker of it.

Upward leads to where something came from, downward to everything that it reached. `served` remembers which release each
endpoint served when, so that the past can be asked about as well as the present.
"""

from falaj.trust.lineage.graph import (
    CAUSED_BY,
    MADE_BY,
    PART_OF,
    REUSED,
    SNAPSHOT_OF,
    Edge,
    Node,
    artifacts_of,
    downstream,
    edges_of_steps,
    makers_of,
    names_of,
    node,
    record,
    sources_of,
    upstream,
)
from falaj.trust.lineage.open_lineage import Execution, LineageJob, events_of
from falaj.trust.lineage.scope import visible_edges
from falaj.trust.lineage.served import Served, before, began, ended, history, served_at

__all__ = [
    "CAUSED_BY",
    "MADE_BY",
    "PART_OF",
    "REUSED",
    "SNAPSHOT_OF",
    "Edge",
    "Execution",
    "LineageJob",
    "Node",
    "Served",
    "artifacts_of",
    "before",
    "began",
    "downstream",
    "edges_of_steps",
    "ended",
    "events_of",
    "history",
    "makers_of",
    "names_of",
    "node",
    "record",
    "served_at",
    "sources_of",
    "upstream",
    "visible_edges",
]
