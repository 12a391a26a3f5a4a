"""Lineage: what came from what, written as edges when it happens, and answered in one query.

    prediction -> release -> run -> commit, environment lock
                          -> model artifact -> step -> artifact -> ... -> snapshot -> source

Upward leads to where something came from, downward to everything that it reached. `served` remembers which release each
endpoint served when, so that the past can be asked about as well as the present.
"""

from falaj.governance.lineage.graph import Edge, Node, downstream, names_of, node, record, steps_of, upstream
from falaj.governance.lineage.open_lineage import events_of
from falaj.governance.lineage.served import Served, began, ended, history, served_at

__all__ = [
    "Edge",
    "Node",
    "Served",
    "began",
    "downstream",
    "ended",
    "events_of",
    "history",
    "names_of",
    "node",
    "record",
    "served_at",
    "steps_of",
    "upstream",
]
