"""Is the candidate worse than stable? Evidence that may be looked at after every request (pure).

`Analysis.start(plan)`, then `update` with batches of requests and `observe_*` with labels as they come; `verdict()` at
any time. Whatever the weights do and however often one looks, a candidate that is not worse than tolerated is rolled
back with probability at most `plan.alpha`.
"""

from falaj.statistics.rollout.analysis.analysis import Analysis
from falaj.statistics.rollout.analysis.batch import Batch
from falaj.statistics.rollout.analysis.block import Block
from falaj.statistics.rollout.analysis.plan import LATENCY_QUANTILES, AnalysisPlan, MetricKind, MetricSpec
from falaj.statistics.rollout.analysis.verdict import MISROUTED, MetricVerdict, RolloutVerdict

__all__ = [
    "LATENCY_QUANTILES",
    "MISROUTED",
    "Analysis",
    "AnalysisPlan",
    "Batch",
    "Block",
    "MetricKind",
    "MetricSpec",
    "MetricVerdict",
    "RolloutVerdict",
]
