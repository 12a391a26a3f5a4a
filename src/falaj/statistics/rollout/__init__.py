"""How an endpoint moves from its stable release to a candidate: plans, the state machine, the sequential analysis.

Pure: counts and times come in, decisions go out. The agent beside the traffic carries them out.
"""

from falaj.statistics.rollout.machine import (
    ENDED,
    Applied,
    Asked,
    Command,
    Event,
    Failed,
    Hindered,
    Judged,
    Pair,
    Ready,
    Rollout,
    RolloutState,
    Started,
    allowed,
    another_share,
    mirror_of,
    pair_of,
    ratio_to_leave,
    transition,
    weight_of,
)
from falaj.statistics.rollout.plan import WHOLE, MetricPlan, RolloutPlan, Strategy, block_length_s, plan_of

__all__ = [
    "ENDED",
    "WHOLE",
    "Applied",
    "Asked",
    "Command",
    "Event",
    "Failed",
    "Hindered",
    "Judged",
    "MetricPlan",
    "Pair",
    "Ready",
    "Rollout",
    "RolloutPlan",
    "RolloutState",
    "Started",
    "Strategy",
    "allowed",
    "another_share",
    "block_length_s",
    "mirror_of",
    "pair_of",
    "plan_of",
    "ratio_to_leave",
    "transition",
    "weight_of",
]
