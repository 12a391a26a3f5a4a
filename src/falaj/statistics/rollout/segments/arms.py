"""Two arms of a rollout as one table in which a segment can be looked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.segments.columns import Columns
from falaj.statistics.rollout.segments.errors import SegmentRowsError

Vector = NDArray[np.float64]


def contrast_arms(
    candidate: Columns,
    candidate_loss: Vector,
    candidate_weight: Vector,
    stable: Columns,
    stable_loss: Vector,
    stable_weight: Vector,
) -> tuple[Columns, Vector]:
    """Rows of both arms as one table, with a value whose mean in any segment is how much worse the candidate is there.

    Each row's loss, less the mean of all, is weighted by one over the chance of its arm when it was routed, negative
    for the stable arm. A share over the whole of a ramp is nobody's chance: losses of its first days would count for
    one arm and those of its last for the other.

    Args:
        candidate: Columns of the rows that the candidate answered.
        candidate_loss: One a row; NaN where it is not known yet.
        candidate_weight: The candidate's weight when each was routed, in (0, 1).
        stable: Columns of the rows that the stable release answered; the same names.
        stable_loss: One a row.
        stable_weight: The candidate's weight when each was routed, in (0, 1).

    Returns:
        What `find_segment` takes.

    Raises:
        SegmentRowsError: The arms have different columns, or one has no rows with a loss.

    Source: inverse propensity weighting, D. Horvitz and D. Thompson, JASA 47 (1952), 663-685.
    """
    if set(candidate) != set(stable):
        raise SegmentRowsError("the arms have different columns", hint=", ".join(sorted(set(candidate) ^ set(stable))))
    loss_counts = [int(np.isfinite(loss).sum()) for loss in (candidate_loss, stable_loss)]
    if not all(loss_counts):
        raise SegmentRowsError("an arm has no rows with a loss")
    middle = float(np.nanmean(np.concatenate([candidate_loss, stable_loss])))
    value = np.concatenate([(candidate_loss - middle) / candidate_weight, (middle - stable_loss) / (1 - stable_weight)])
    return {name: [*candidate[name], *stable[name]] for name in candidate}, value
