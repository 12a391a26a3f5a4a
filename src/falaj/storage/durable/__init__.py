"""The durable process table: long-running things are rows, not threads.

A process is a row with a kind, a state and data. A pure `transition(state, data, event, now)` of its kind says what
comes next and which effects follow; `ProcessTable` commits both together, hands rows to workers under leases with
fencing tokens, and keeps the outbox of effects that are done at least once.
"""

from falaj.core.transition import Effect, IllegalTransitionError, ProcessEvent, Transition, TransitionStep
from falaj.storage.durable.commit_signal import STEP_S, CommitSignal, looks
from falaj.storage.durable.leases import Lease, LeaseLostError, ProcessTable
from falaj.storage.durable.outbox import Outbox

__all__ = [
    "STEP_S",
    "CommitSignal",
    "Effect",
    "IllegalTransitionError",
    "Lease",
    "LeaseLostError",
    "Outbox",
    "ProcessEvent",
    "ProcessTable",
    "Transition",
    "TransitionStep",
    "looks",
]
