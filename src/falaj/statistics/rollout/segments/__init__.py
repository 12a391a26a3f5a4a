"""Where a failure concentrates: a small predicate over the features, confirmed on rows that were not searched.

A predicate is text that a person can read in a gate, and that can be asked of any later rows.
"""

from falaj.statistics.rollout.segments.arms import contrast_arms
from falaj.statistics.rollout.segments.columns import Columns
from falaj.statistics.rollout.segments.errors import PredicateError, SegmentRowsError
from falaj.statistics.rollout.segments.predicate import ALL_ROWS, Predicate, SegmentCondition
from falaj.statistics.rollout.segments.search import SearchLimits, Segment, find_segment

__all__ = [
    "ALL_ROWS",
    "Columns",
    "Predicate",
    "PredicateError",
    "SearchLimits",
    "Segment",
    "SegmentCondition",
    "SegmentRowsError",
    "contrast_arms",
    "find_segment",
]
