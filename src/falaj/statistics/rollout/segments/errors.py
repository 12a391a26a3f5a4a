"""What can be wrong with a predicate, or with the rows that a segment is looked for in."""

from __future__ import annotations

from falaj.core.errors import UsageError


class PredicateError(UsageError):
    """A predicate cannot be read, or cannot be asked of these rows."""

    code = "rollout.predicate"


class SegmentRowsError(UsageError):
    """No segment can be looked for in these rows."""

    code = "rollout.segment-rows"
