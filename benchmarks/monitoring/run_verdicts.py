"""What a run of the product says of a candidate, for models that are trained here: gates, champion, refit, agreement.

The functions are those that a run calls (`falaj.build.checks`), on scores that are there already. `year_runs.py` does
the same by whole runs, which take minutes each.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from falaj.build.checks import CheckContext, LiveModel, against_champion, judge_refit
from falaj.build.checks.gates import judge
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, Scores
from falaj.config.spec import GateSpec, ProjectSpec, StepSpec
from falaj.control.retraining.simulation import CandidateOutcome, History, Train, TrainedModel
from falaj.control.retraining.training_history import DAY_S
from falaj.control.retraining.windows import TrainingWindow
from falaj.supply_chain.artifacts import Digest

ACCEPTANCE, TEST, BLOCKS = "split.acceptance", "split.test", "date"
GATES = (
    GateSpec("brier <= 0.25 on split.acceptance", "brier", "<=", 0.25, ACCEPTANCE),
    GateSpec("brier not worse than live by 0.005 on split.test", "brier", "not worse than", None, TEST,
             not_worse_than="live", margin=0.005),
)  # fmt: skip
NO_DIGEST, CANDIDATES = Digest("sha256:" + "0" * 64), Digest("sha256:" + "1" * 64)
FIT = StepSpec("fit", run="flights.training:fit", output="model")


@dataclass
class RunVerdicts:
    """Trainings one after another, each judged as a run judges.

    Args:
        history: The rows; it has acceptance rows.
        train: Gives the model of the days before one.
    """

    history: History
    train: Train
    learned_until: str = ""
    refits: list[str] = field(default_factory=list)

    def run_training(self, window: TrainingWindow, goal: Any, live: TrainedModel) -> CandidateOutcome:
        """What `simulate` asks for."""
        until, judged_until = (round(at / DAY_S) for at in (window.train_until, window.backtest_until))
        candidate, days = self.train(until), (self.history.day >= until) & (self.history.day < judged_until)
        scoring = GateScoring(
            {TEST: self._scores(days & self.history.learnable, candidate, live),
             ACCEPTANCE: self._scores(~self.history.learnable, candidate, live)}, {}, {},
        )  # fmt: skip
        context = self._context(LiveModel(1, NO_DIGEST, self.learned_until, frozenset({"acceptance"})))
        missed = [gate.text for gate in GATES if not judge(gate, scoring, context).passed]
        champion = against_champion(context, scoring, goal)
        if missed or not champion.wins:
            return CandidateOutcome(None, f"{missed} {champion.reason}", candidate.core_hours)
        return self._refitted(candidate, judged_until, champion.reason)

    def _refitted(self, candidate: TrainedModel, judged_until: int, reason: str) -> CandidateOutcome:
        refit = self.train(judged_until)
        hours = candidate.core_hours + refit.core_hours
        scoring = GateScoring({ACCEPTANCE: self._scores(~self.history.learnable, refit, candidate)}, {}, {})
        context = self._context(LiveModel(0, NO_DIGEST))
        context = replace(context, spec=replace(context.spec, gates=GATES[:1]))
        agreement = judge_refit(context, scoring)
        passed = all(judge(gate, scoring, context).passed for gate in GATES[:1])
        holds = passed and agreement.agrees
        self.refits.append(agreement.reason if passed else "its gates do not pass")
        self.learned_until = date.fromordinal(judged_until).isoformat() if holds else ""
        return CandidateOutcome(refit if holds else candidate, f"{reason}; the refit {self.refits[-1]}", hours)

    def _scores(self, rows: np.ndarray, candidate: TrainedModel, live: TrainedModel) -> Scores:
        days = np.array([date.fromordinal(int(day)).isoformat() for day in self.history.day[rows]])
        scores = {CANDIDATE: candidate.scores[rows], LIVE: live.scores[rows]}
        return Scores(self.history.label[rows], scores, {BLOCKS: days}, {})

    def _context(self, live: LiveModel) -> CheckContext:
        return CheckContext(
            spec=ProjectSpec("flight-delay", "o", steps={"fit": FIT}, gates=GATES), worktree=Path(), environment=None,  # type: ignore[arg-type]
            store=None, workdir=Path(), outputs={"fit": CANDIDATES}, live=live, champion=True, blocks=BLOCKS,  # type: ignore[arg-type]
        )  # fmt: skip
