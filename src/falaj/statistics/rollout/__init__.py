"""How an endpoint moves from its stable release to a candidate: plans, the state machine, the sequential analysis.

Pure: counts and times come in, decisions go out. The agent beside the traffic carries them out.
"""

from falaj.statistics.rollout.plan import WHOLE, MetricPlan, RolloutPlan, RolloutStrategy, block_length_s, plan_of
from falaj.statistics.rollout.state_machine import (
    ENDED,
    AnalysisReported,
    Applied,
    Command,
    Event,
    Failed,
    Hindered,
    Pair,
    PersonRequested,
    Ready,
    RolloutProgress,
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

__all__ = [
    "ENDED",
    "WHOLE",
    "AnalysisReported",
    "Applied",
    "Command",
    "Event",
    "Failed",
    "Hindered",
    "MetricPlan",
    "Pair",
    "PersonRequested",
    "Ready",
    "RolloutPlan",
    "RolloutProgress",
    "RolloutState",
    "RolloutStrategy",
    "Started",
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
