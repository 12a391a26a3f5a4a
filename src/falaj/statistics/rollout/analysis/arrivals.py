"""Do labels arrive alike? Evidence that one arm gets its labels earlier, or for other cases, than the other.

Chance decided which arm answered a request. So of the labels that come at one age, of cases that ended one way, the
share of the canary is its weight, whatever days and losses do: unless labels come for reasons that have to do with the
arm. They may be later for one arm, or come first where somebody complains or where a model raised its flag. Means of
such labels say something of the labels and not of the models.

Each age and outcome is a bet of its own on the arm of a label, as in `arms`. The first that appears gets half of the
stake, the next a sixth, the k-th 1/(k (k + 1)): where most labels come, little is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis import arms
from falaj.statistics.rollout.analysis.batch import Flags, Numbers
from falaj.statistics.rollout.analysis.tally import by_weight

TOLERATED = 1.05
"""Ratio of the arms' labels, either way, that is no matter: a request in a hundred that failed has no label."""
_FEWER, _MORE = 1 / (TOLERATED * arms.FASTER), TOLERATED * arms.FASTER
_OLDEST = 12
"""Ages are cut at powers of four seconds: the last one is of half a year and more."""
Case = tuple[int, int]
"""Age and outcome."""


@dataclass(frozen=True)
class Arrivals:
    """Labels by age, outcome and arm.

    Attributes:
        counts: Labels of (stable, canary) by weight, of each case in the order in which cases appeared.
        highest: The most that the log of the evidence ever was.
    """

    counts: Mapping[Case, Mapping[float, tuple[int, int]]]
    highest: float = 0.0

    def observe(self, candidate: Flags, weight: Numbers, age_s: Numbers, outcome: Sequence[Any]) -> Arrivals:
        """Take labels in, in the order in which they came.

        Args:
            candidate: Whether the candidate had answered.
            weight: In force when the request was routed, in (0, 1).
            age_s: From the prediction to the label, in seconds.
            outcome: What really happened.
        """
        counts = {case: dict(of_case) for case, of_case in self.counts.items()}
        for value, rows in by_weight(weight).items():
            ages, labels = _ages(age_s[rows]), np.asarray([_outcome(each) for each in outcome])[rows]
            for age, label, arm in zip(ages.tolist(), labels.tolist(), candidate[rows].tolist(), strict=True):
                case = (int(age), label)
                stable, of_candidate = counts.setdefault(case, {}).get(value, (0, 0))
                counts[case][value] = (stable + (not arm), of_candidate + arm)
        after = replace(self, counts=counts)
        return replace(after, highest=max(self.highest, after.log_unlike()))

    def log_unlike(self) -> float:
        """Log e-value against "the arm of a label is chance"."""
        places = range(1, len(self.counts) + 1)
        logs = [
            _log_unlike(of_case) - math.log(place * (place + 1))
            for place, of_case in zip(places, self.counts.values(), strict=True)
        ]
        return float(np.logaddexp.reduce([*logs, -math.log(len(logs) + 1)]))  # the rest of the stake is kept

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        cases = [
            [*case, [[weight, *both] for weight, both in of_case.items()]] for case, of_case in self.counts.items()
        ]
        return {"cases": cases, "highest": self.highest}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Arrivals:
        """What `to_json` made, also after it went through JSON."""
        cases = {
            (age, outcome): {weight: (stable, candidate) for weight, stable, candidate in of_case}
            for age, outcome, of_case in document["cases"]
        }
        return Arrivals(cases, document["highest"])


def _log_unlike(of_case: Mapping[float, tuple[int, int]]) -> float:
    weights = np.array(list(of_case))
    both = np.array(list(of_case.values()), dtype=np.int64)
    stable, candidate = both[:, :1], both[:, 1:]

    def likelihood(ratios: Numbers) -> Numbers:
        summed: Numbers = arms.log_likelihood(weights, candidate, stable, ratios).sum(axis=(0, 1))
        return summed

    more = likelihood(_MORE) - likelihood(np.array([TOLERATED]))
    fewer = likelihood(_FEWER) - likelihood(np.array([1 / TOLERATED]))
    return float(np.logaddexp.reduce(np.concatenate((more, fewer)) + np.tile(arms.LOG_SHARES, 2)) - math.log(2))


def _ages(age_s: Numbers) -> Numbers:
    """Powers of four seconds; a label that is older than its prediction is as old as one that came at once."""
    ages: Numbers = np.clip(np.ceil(np.log(np.maximum(age_s, 1.0)) / math.log(4)), 0, _OLDEST)
    return ages


def _outcome(label: Any) -> int:
    """0 and 1 for the classes of a decision, 2 for anything else: a number, or one of many classes."""
    return int(label) if isinstance(label, bool | int | float) and label in (0, 1) else 2
