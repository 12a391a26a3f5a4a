"""A project's own labelled history under policies of trainings, with its own steps: what `falaj monitor simulate` does.

Nothing is written to a platform. The steps that lead to the model run as in `falaj run`, once for each day on which a
policy trains; a step that has run with these parameters before is taken from the cache. The rows are those that judge:
an output of the pipeline that `train_until` and `backtest_until` choose, with a column of days.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from falaj.build.checks import CheckContext
from falaj.build.checks.gates import champion_gate
from falaj.build.checks.scoring import CANDIDATE, Scores, score
from falaj.build.pipeline import execute
from falaj.build.pipeline.events import Emit
from falaj.build.pipeline.result import PipelineResult
from falaj.config import load_project_cached
from falaj.config.spec import GateSpec, ProjectSpec
from falaj.control.retraining.simulation import History, SimulationSettings, TrainedModel, Vector
from falaj.control.runs.training_rows import JUDGED_UNTIL, UNTIL
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.core.ids import new_id
from falaj.core.venv.environment import Environment, build
from falaj.statistics.metrics import named
from falaj.statistics.recalibration import RecalibrationSettings
from falaj.supply_chain.artifacts import ArtifactStore, Digest, open_home_store

_ALL_ROWS_FROM, _ALL_ROWS_UNTIL = date(1900, 1, 1), date(9000, 1, 1)
FIRST_SHARE = 0.2
"""Share of the days that the first model learns from, where nobody says from which day on it serves."""
FEWEST_DAYS = 28


class ReplayError(UsageError):
    """A project whose history cannot be replayed."""

    code = "retraining.replay"


@dataclass
class Replay:
    """The history of a checkout, and models that are trained on parts of it.

    Args:
        folder: The project.
        home: Where artifacts and environments are kept.
        params: Values that replace those of the project, by step and parameter.
        first_served: The day from which answers count; None for one after the first fifth of the days.
        emit: Told what the steps do.
    """

    folder: Path
    home: Home
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    first_served: date | None = None
    emit: Emit = lambda _: None

    @cached_property
    def spec(self) -> ProjectSpec:
        """The project file."""
        self.home.prepare()
        return load_project_cached(self.folder.resolve(), self.home.plan_cache)

    @cached_property
    def gate(self) -> GateSpec:
        """The gate whose rows and metric say which model is better."""
        gate = champion_gate(self.spec.gates)
        if gate is None:
            raise ReplayError("no gate names rows and a metric", hint="name the rows that judge in `gates`")
        metric = named(gate.metric)
        if metric.task != "binary" or metric.row_loss is None:
            raise ReplayError(f"a history is replayed by brier or accuracy, and the gate says {gate.metric}")
        return gate

    @cached_property
    def day_column(self) -> str:
        """The column that keeps rows of a day together."""
        columns = [entry["blocks"] for entry in self.spec.retrain if entry.get("blocks")]
        if not columns:
            raise ReplayError("no entry of `retrain` names `blocks`", hint="name the column of days there")
        return str(columns[0])

    @property
    def settings(self) -> SimulationSettings:
        """As a run of the project judges, without recalibration."""
        return SimulationSettings(self.gate.metric, self.gate.margin or 0.005, self.gate.confidence)

    @property
    def recalibrated(self) -> SimulationSettings:
        """The same with recalibration."""
        return replace(self.settings, recalibration=RecalibrationSettings(label_delay_days=self._label_delay_days))

    @property
    def _label_delay_days(self) -> int:
        return math.ceil(float(self.spec.monitoring.get("label_delay_s") or 0.0) / 86_400)

    @cached_property
    def history(self) -> History:
        """All rows that judge somebody, by day."""
        days = self._rows.slices[self.day_column]
        try:
            day = np.array([date.fromisoformat(str(each)[:10]).toordinal() for each in days], dtype=np.intp)
        except ValueError as error:
            raise ReplayError(f"{self.day_column} is not a column of days: {error}") from error
        if not len(day) or day.max() - day.min() < FEWEST_DAYS:
            raise ReplayError(f"{self.gate.data} has rows of less than {FEWEST_DAYS} days")
        self._order = np.argsort(day, kind="stable")
        first = self.first_served.toordinal() if self.first_served else None
        first = first or int(day.min() + FIRST_SHARE * (day.max() - day.min()))
        return History(day[self._order], self._rows.label[self._order], self._label_delay_days, first)

    def train(self, until: int) -> TrainedModel:
        """The model of the days before one, by the project's own steps."""
        if until not in self._trained:
            self._trained[until] = self._train(until)
        return self._trained[until]

    @cached_property
    def _trained(self) -> dict[int, TrainedModel]:
        return {}

    def _train(self, until: int) -> TrainedModel:
        ran = self._run(self._needed(self.spec.model_step or ""), date.fromordinal(until), _ALL_ROWS_UNTIL)
        model = ran.outputs[self.spec.model_step or ""]
        return TrainedModel(until, self.scores_of(model), self._core_hours(ran, model))

    def scores_of(self, model: Digest) -> Vector:
        """What a model answers to each row of the history.

        Args:
            model: A trained one, or the packaged one of a release.

        Raises:
            ReplayError: It gives no scores.
        """
        rows = len(self.history.day)
        scores = self._scored(model).scores.get(CANDIDATE)
        if scores is None:
            raise ReplayError(f"the model {model} gives no scores")
        assert len(scores) == rows
        return scores[self._order]

    def _core_hours(self, ran: PipelineResult, model: Digest) -> float:
        """What the steps took when they really ran, remembered by the model that they gave."""
        ref = f"replay/{sha256(str(model).encode()).hexdigest()}"
        cached = self._store.get_ref(ref)
        seconds = sum(
            (each.ended_at - each.started_at) * self.spec.steps[each.step].cpu
            for each in ran.steps.values()
            if not each.cached and each.started_at is not None and each.ended_at is not None
        )
        if cached is None:
            self._store.set_ref(ref, repr(seconds).encode())
            return seconds / 3600
        return max(float(cached), seconds) / 3600

    @cached_property
    def _rows(self) -> Scores:
        """Labels and days of all rows; the first model scores them so that they are read as gates read them."""
        if not any(UNTIL in step.params and JUDGED_UNTIL in step.params for step in self.spec.steps.values()):
            raise ReplayError(
                f"no step has the parameters {UNTIL} and {JUDGED_UNTIL}",
                hint="docs/how-to/retrain.md: how steps learn of the window",
            )
        step = self.gate.data.partition(".")[0]
        self._table = self._run(self._needed(step), _ALL_ROWS_FROM, _ALL_ROWS_UNTIL).outputs[self.gate.data]
        scored_table = self._scored(None)
        if self.day_column not in scored_table.slices:
            raise ReplayError(f"{self.gate.data} has no column {self.day_column!r}")
        return scored_table

    def _scored(self, model: Digest | None) -> Scores:
        context = self._context({self.gate.data: self._table})
        models = {} if model is None else {CANDIDATE: context.fetch_digest(model)}
        label = str(self.spec.monitoring.get("label") or "")
        scoring = score(context, models, {self.gate.data: {self.day_column}}, label=label)
        if self.gate.data in scoring.problems:
            raise ReplayError(f"the rows cannot be read: {scoring.problems[self.gate.data]}")
        scored_table = scoring.tables[self.gate.data]
        if CANDIDATE in scored_table.problems:
            raise ReplayError(f"the model cannot score the rows: {scored_table.problems[CANDIDATE]}")
        return scored_table

    def _needed(self, step: str) -> ProjectSpec:
        """The project with the steps alone that lead to one."""
        steps, pending = self.spec.steps, [step]
        needed: set[str] = set()
        while pending:
            name = pending.pop().partition(".")[0]
            if name in steps and name not in needed:
                needed.add(name)
                pending += steps[name].inputs
        return replace(self.spec, steps={name: each for name, each in steps.items() if name in needed})

    def _run(self, spec: ProjectSpec, until: date, judged_until: date) -> PipelineResult:
        window = {UNTIL: _moment(until), JUDGED_UNTIL: _moment(judged_until)}
        params = {name: dict(self.params.get(name, {})) for name in spec.steps}
        for name, step in spec.steps.items():
            params[name] |= {key: value for key, value in window.items() if key in step.params}
        ran = execute(
            spec, worktree=self.folder.resolve(), environment=self._environment, store=self._store,
            run_dir=self._folder, params=params, emit=self.emit,
        )  # fmt: skip
        if not ran.ok:
            failed = ran.failed or ""
            error = ran.steps[failed].error if failed else "stopped"
            raise ReplayError(f"step {failed} did not end for rows before {until}: {error}")
        return ran

    def _context(self, outputs: Mapping[str, Digest]) -> CheckContext:
        (self._folder / "checks").mkdir(parents=True, exist_ok=True)
        return CheckContext(
            spec=self.spec, worktree=self.folder.resolve(), environment=self._environment, store=self._store,
            workdir=self._folder / "checks", outputs=outputs,
        )  # fmt: skip

    @cached_property
    def _environment(self) -> Environment:
        return build(self.folder.resolve(), self.home)

    @cached_property
    def _store(self) -> ArtifactStore:
        return open_home_store(self.home)

    @cached_property
    def _folder(self) -> Path:
        return self.home.run_dir(new_id(time.time()))


def _moment(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat()
