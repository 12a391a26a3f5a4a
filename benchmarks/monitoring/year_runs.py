"""The year of flights with the product's own runs: packaged, gated, held beside live, trained again on all rows.

    OMP_NUM_THREADS=1 nice -n 10 python benchmarks/monitoring/year_runs.py --home HOME --json FIGURES.jsonl

The days pass as in `falaj monitor simulate`, of which never and monthly come, too: when to train, labels a day late and
the recalibration are its. But what a training by growth (or by a loss alarm) gives comes from `execute_run`, as a
worker calls it: the steps in their environment, packaging, the checks and gates, the comparison with the release that
is live, the refit and its agreement on acceptance rows, and signed evidence. What is released is scored as it was
packaged. One line a sample and seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import year_project

from falaj.control.notary import open_office
from falaj.control.retraining.replay import Replay
from falaj.control.retraining.simulation import (
    BY_GROWTH,
    MONTHLY,
    NEVER,
    CandidateOutcome,
    TrainedModel,
    TrainingPolicy,
    simulate,
)
from falaj.control.retraining.training_history import DAY_S
from falaj.control.retraining.windows import TrainingWindow
from falaj.control.runs.contract import LiveRelease, RunContext, RunResult, RunSpec
from falaj.control.runs.execution import execute_run
from falaj.control.runs.refit import learned_by
from falaj.control.runs.training_rows import Training
from falaj.core.home import Home
from falaj.supply_chain.artifacts import Digest, open_home_store

SERVED_FROM = date(2013, 3, 1)
BESIDE: Mapping[str, TrainingPolicy] = {"never": NEVER, "monthly": MONTHLY, "by growth, simulated": BY_GROWTH}
KINDS: Mapping[str, str] = {"not worse": "growth", "as good": "drift"}


@dataclass
class Releases:
    """Trainings of the project as runs, one after another, each beside the release of the one before.

    Args:
        replay: Has the rows, by which a release is scored.
        name: Of the sample and seed, for the ids of runs.
    """

    replay: Replay
    name: str
    live: LiveRelease | None = None
    outcomes: list[RunResult] = field(default_factory=list)

    def first(self, until: int) -> TrainedModel:
        """The release that serves from the first day on."""
        outcome = self._run({key: moment(until) for key in ("train_until", "backtest_until")}, None)
        if not outcome.digest:
            raise SystemExit(f"the first run gave no release: {outcome.state}, {outcome.reason}")
        return self._released(outcome, until)

    def run_training(self, window: TrainingWindow, hope: str, _live: TrainedModel) -> CandidateOutcome:
        """One training: what `simulate` asks for, by a run."""
        until, judged_until = (round(at / DAY_S) for at in (window.train_until, window.backtest_until))
        params = {"train_until": moment(until), "backtest_until": moment(judged_until)}
        reason = {"kind": KINDS[hope], "reason": window.reason}
        outcome = self._run(params, Training(f"t{len(self.outcomes)}", KINDS[hope], reason, params))
        retraining = outcome.data.get("retraining") or {}
        verdict = f"{outcome.reason or retraining.get('reason', '')}; {(retraining.get('refit') or {}).get('reason')}"
        if not outcome.digest or not retraining.get("wins"):
            return CandidateOutcome(None, verdict)
        learned_until = judged_until if retraining["refit"]["of"] else until
        return CandidateOutcome(self._released(outcome, learned_until), verdict)

    def _released(self, outcome: RunResult, until: int) -> TrainedModel:
        number = 1 if self.live is None else self.live.number + 1
        digest = outcome.digest or ""
        self.live = LiveRelease(number, digest, *learned_by(outcome.data.get("retraining") or {}))
        return TrainedModel(until, self.replay.scores_of(Digest(digest)))

    def _run(self, window: Mapping[str, str], training: Training | None) -> RunResult:
        home, replay = self.replay.home, self.replay
        params = {step: dict(values) for step, values in replay.params.items()}
        if training is None:
            params["split"] |= window
        run_id = f"{self.name}-{len(self.outcomes)}-{int(time.time())}"
        trigger = training.kind if training else "push"
        order = RunSpec(run_id, str(replay.folder), "", "a" * 40, "A <a@example.org>", params, trigger, training)
        around = RunContext(
            home=home, store=open_home_store(home), notary=open_office(home), emit=lambda _: None,
            cancelled=lambda: False, live=lambda _: self.live, tracking=lambda *_: {},
        )  # fmt: skip
        outcome = execute_run(order, replay.folder, around)
        print(f"# {run_id} {window} {outcome.state} {outcome.reason}", file=sys.stderr, flush=True)
        self.outcomes.append(outcome)
        return outcome


def moment(day: int) -> str:
    """A day as steps are given it."""
    return f"{date.fromordinal(day).isoformat()}T00:00:00+00:00"


def simulated(replay: Replay, policy: TrainingPolicy) -> dict[str, Any]:
    """A policy with the project's steps alone, without and with recalibration."""
    bare, again = (
        simulate(replay.history, replay.train, policy, each) for each in (replay.settings, replay.recalibrated)
    )
    trainings = [len(each.trainings) for each in (bare, again)]
    return {"bare": bare.loss, "recalibrated": again.loss, "trainings": trainings}


def by_runs(replay: Replay, name: str) -> dict[str, Any]:
    """By growth, each training a run."""
    releases = Releases(replay, name)
    again = simulate(replay.history, releases.first, BY_GROWTH, replay.recalibrated, releases.run_training)
    return {
        "rows": int(replay.history.served.sum()),
        "bare answers of the same models": again.bare_loss, "recalibrated": again.loss,
        "trainings": [
            {"day": date.fromordinal(each.day).isoformat(), "reason": each.reason, "won": each.won,
             "verdict": each.verdict} for each in again.trainings
        ],
        "states": [outcome.state for outcome in releases.outcomes],
    }  # fmt: skip


def figures(replay: Replay, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """What one sample and seed came to."""
    row = {"name": name, "by growth, runs": by_runs(replay, name)}
    for policy_name in options.beside:
        row[policy_name] = simulated(replay, BESIDE[policy_name])
    return row


def main() -> int:
    """Run, and print a line for each sample and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="where environments and results of steps are kept")
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 2], help="first flight of each sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--beside", nargs="*", default=["monthly"], choices=sorted(BESIDE), help="simulated beside it")
    parser.add_argument("--json", type=Path, help="append the lines here as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-year-") as scratch:
        folder = year_project.write(Path(scratch) / "flights")
        home = Home(options.home or Path(scratch) / "home", {})
        home.prepare()
        for sample in options.samples:
            for seed in options.seeds:
                params = {"split": {"first": sample}, "fit": {"seed": seed}}
                replay = Replay(folder, home, params, SERVED_FROM)
                line = json.dumps(figures(replay, f"sample-{sample}-seed-{seed}", options))
                print(line, flush=True)
                if options.json:
                    with options.json.open("a") as file:
                        file.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
