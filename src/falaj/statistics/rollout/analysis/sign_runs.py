"""Which of two arms had more failures, block after block, and how much a block says that goes on as the one before.

Arms that are alike have more failures equally often, whatever a block looks like. But failures come in bursts: while
one lasts, block after block names the same arm, and is one observation. How long bursts last is learned from runs that
are over, by how often a run of some age went on instead of turning. A run of the candidate that goes on as long as runs
are known to says little; one that goes on beyond that says as much as a block can.

A run is over when the other arm has more, or when it has been quiet for as long as the run has lasted: a candidate that
fails now and then makes one long run, a burst makes a short one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis import rates
from falaj.statistics.rollout.analysis.arms import FASTER
from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.plan import AnalysisPlan

_QUIET = 3
"""Blocks without a difference that end the shortest run."""
_AGES = (1, 3, 9, 27, 81)
"""Ages from which on runs are counted apart, in blocks that named their arm."""
_PRIOR = (1.0, 0.5)  # as if so many runs had gone on and turned, before any was seen
_FIRST = -1  # where there is no run
Counts = tuple[int, ...]
_NONE: Counts = (0,) * len(_AGES)


@dataclass(frozen=True)
class SignRun:
    """Blocks that name the same arm.

    Attributes:
        candidate: Whether that is the candidate.
        age: So many blocks named it.
        lasted: From the first of them to the last, in blocks.
        quiet: Blocks without a difference since.
        went_on: How often it went on, by age.
    """

    candidate: bool
    age: int = 1
    lasted: int = 1
    quiet: int = 0
    went_on: Counts = _NONE

    @property
    def place(self) -> int:
        """Which of the ages it has."""
        return int(np.searchsorted(_AGES, self.age, side="right")) - 1

    def gone_on(self) -> SignRun:
        """The run with one more block."""
        went_on = _one_more(self.went_on, self.place)
        return SignRun(self.candidate, self.age + 1, self.lasted + self.quiet + 1, 0, went_on)

    def quieter(self) -> SignRun | None:
        """The run after a block without a difference; None when it is over."""
        quiet = self.quiet + 1
        return None if quiet >= max(_QUIET, self.lasted) else replace(self, quiet=quiet)


@dataclass(frozen=True)
class SignRuns:
    """What blocks have said of which arm has more.

    Attributes:
        bets: By step and age of the run before (`_FIRST` for none, the baseline's after the candidate's): blocks that
            named (baseline, candidate).
        run: The one that is not over.
        went_on: How often runs that are over, and the baseline's, went on, by age.
        turned: How often the other arm had more instead.
    """

    bets: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    run: SignRun | None = None
    went_on: Counts = _NONE
    turned: Counts = _NONE

    def add(self, step: int, more: int) -> SignRuns:
        """Take one block in.

        Args:
            step: Of the rollout.
            more: Positive where the candidate had more failures, negative where the baseline had, 0 for neither.
        """
        if more == 0:
            return self._quiet()
        candidate, run = more > 0, self.run
        place = _FIRST if run is None else run.place if run.candidate else len(_AGES) + run.place
        stable, of_candidate = self.bets.get((step, place), (0, 0))
        bet = {**self.bets, (step, place): (stable + (not candidate), of_candidate + candidate)}
        if run is None:
            return replace(self, bets=bet, run=SignRun(candidate))
        if run.candidate == candidate:
            return replace(self, bets=bet, run=run.gone_on())
        turned = _one_more(self.turned, run.place)
        return SignRuns(bet, SignRun(candidate), self._with(run), turned)

    def log_harm(self, even: float, plan: AnalysisPlan, step: int) -> float:
        """Log of the evidence that the candidate fails more often.

        Args:
            even: The chance that a block which differs names the candidate, when it is as bad as is tolerated.
            plan: Has the shares of the starts.
            step: The current one.
        """
        chances = self._chances()
        factors = [_factors(place, counts, chances, even) for (_, place), counts in self.bets.items()]
        steps = np.array([of_step for of_step, _ in self.bets], dtype=np.int64)
        return float(rates.log_restarted(steps, np.array(factors).reshape(-1, 1, len(FASTER)), plan, step)[0])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        run = self.run
        return {
            "bets": [[*key, *counts] for key, counts in self.bets.items()],
            "run": [run.candidate, run.age, run.lasted, run.quiet, list(run.went_on)] if run else None,
            "went_on": list(self.went_on), "turned": list(self.turned),
        }  # fmt: skip

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> SignRuns:
        """What `to_json` made."""
        bets = {(step, place): (stable, candidate) for step, place, stable, candidate in document["bets"]}
        return SignRuns(bets, _run_of(document["run"]), tuple(document["went_on"]), tuple(document["turned"]))

    def _quiet(self) -> SignRuns:
        if self.run is None:
            return self
        quieter = self.run.quieter()
        return replace(self, run=quieter) if quieter else replace(self, run=None, went_on=self._with(self.run))

    def _with(self, run: SignRun) -> Counts:
        return _sum(self.went_on, run.went_on)

    def _chances(self) -> list[float]:
        """That a run of each age goes on: of what is over, and of what the baseline is in."""
        transitions = self._with(self.run) if self.run and not self.run.candidate else self.went_on
        went_on, turned = np.array(transitions) + _PRIOR[0], np.array(self.turned) + _PRIOR[1]
        chances: list[float] = (went_on / (went_on + turned)).tolist()
        return chances


def _factors(place: int, counts: tuple[int, int], chances: list[float], even: float) -> Numbers:
    """Log factors of the bets on what came after a run of some age.

    In a run of the candidate, that it goes on is as likely as it was before. In one of the baseline it is unlikely that
    it turns, so little is staked on that, the less the longer such runs go on.
    """
    stable, candidate = counts
    of_baseline = place >= len(_AGES)
    likely = even if place == _FIRST or of_baseline else max(even, chances[place])
    loses = 1 / (1 + likely * (FASTER - 1))
    stake = min(1.0, (1 - chances[place - len(_AGES)]) / (1 - even)) if of_baseline else 1.0
    won, lost = 1 - stake + stake * FASTER * loses, 1 - stake + stake * loses
    factors: Numbers = candidate * np.log(won) + stable * np.log(lost)
    return factors


def _run_of(value: Sequence[Any] | None) -> SignRun | None:
    if value is None:
        return None
    candidate, age, lasted, quiet, went_on = value
    return SignRun(candidate, age, lasted, quiet, tuple(went_on))


def _one_more(counts: Counts, place: int) -> Counts:
    return tuple(count + (index == place) for index, count in enumerate(counts))


def _sum(first: Counts, second: Counts) -> Counts:
    return tuple(a + b for a, b in zip(first, second, strict=True))
