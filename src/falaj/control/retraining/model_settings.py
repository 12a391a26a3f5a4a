"""What the project file of a model's newest release says about training it again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from falaj.control.releases.owners import owner_of
from falaj.control.releases.registry import state_of
from falaj.control.releases.states import WITHDRAWN
from falaj.control.retraining.training_history import WEEK_S, RetrainingPolicy, TriggerKind
from falaj.control.retraining.windows import WindowPlan, plan_from_mapping
from falaj.storage import ReleaseRow
from falaj.storage.ownership_tables import ModelOwnerRow

_ON: Mapping[TriggerKind, str] = {
    TriggerKind.DRIFT: "drift",
    TriggerKind.FEEDBACK: "labels",
    TriggerKind.EVENT: "event",
    TriggerKind.GROWTH: "growth",
    TriggerKind.SCHEDULE: "schedule",
}
"""What a kind of trigger is called in the project file; what a person asks for needs no line there."""
KIND_OF: Mapping[str, TriggerKind] = {**{on: kind for kind, on in _ON.items()}, "manual": TriggerKind.MANUAL}
"""The kind of trigger of an entry of the project file."""

_EVENT = ("source", "upstream")
"""What tells one entry for events from another."""


@dataclass(frozen=True)
class RetrainSettings:
    """What the newest release of a model was built with.

    Args:
        release: That release.
        project: The project that the model belongs to.
    """

    release: ReleaseRow
    project: str

    @property
    def all(self) -> tuple[Mapping[str, Any], ...]:
        """The entries of `retrain`."""
        return tuple(self.release.data.get("retrain", ()))

    def of(self, kind: TriggerKind, cause: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
        """The entry that lets triggers of a kind start trainings; None when there is none.

        Args:
            kind: Of the trigger.
            cause: What happened; of an event, its `source` or `upstream` is that of the entry.
        """
        matches = [entry for entry in self.all if entry["on"] == _ON.get(kind)]
        if kind is TriggerKind.EVENT and cause is not None:
            matches = [entry for entry in matches if all(entry.get(name) == cause.get(name) for name in _EVENT)]
        return matches[0] if matches else None

    def policy(
        self, kind: TriggerKind, cause: Mapping[str, Any] | None = None, expected_minutes: float = 0.0
    ) -> RetrainingPolicy:
        """How much training the model is worth to triggers of a kind.

        What a person asks for is held to the first budget that the file names.
        """
        patience_s = math.inf if kind is TriggerKind.SCHEDULE else WEEK_S  # the last tick is made up for, however late
        usual = RetrainingPolicy(expected_minutes=expected_minutes, patience_s=patience_s)
        if kind is TriggerKind.MANUAL:
            entry = next((each for each in self.all if "budget" in each), None)
        else:
            entry = self.of(kind, cause)
        if entry is None:
            return usual
        budget = entry.get("budget") or {}
        cooldown = entry.get("cooldown_s")
        return replace(
            usual,
            cooldown_s=usual.cooldown_s if cooldown is None else {**usual.cooldown_s, kind: cooldown},
            runs_a_week=budget.get("runs_a_week", usual.runs_a_week),
            compute_minutes_a_week=budget.get("compute_s", usual.compute_minutes_a_week * 60) / 60,
        )

    def plan(
        self, kind: TriggerKind, cause: Mapping[str, Any], override: Mapping[str, Any] | None = None
    ) -> WindowPlan:
        """Which rows a training learns from: as asked, else as the file says, else all.

        Raises:
            TrainingWindowError: What was asked says nothing sensible.
        """
        entry = self.of(kind, cause) or {}
        return plan_from_mapping(override or entry.get("window") or {})

    @property
    def label_delay_s(self) -> float:
        """How long labels take."""
        return float(self.release.data.get("label", {}).get("label_delay_s") or 0.0)


def retrain_settings_of(session: Session, model: str) -> RetrainSettings | None:
    """The settings of a model; None when it has no release that may be served."""
    newest = select(ReleaseRow).where(ReleaseRow.model == model).order_by(ReleaseRow.number.desc()).limit(1)
    release_row, owner = session.scalar(newest), owner_of(session, model)
    if release_row is None or owner is None or state_of(session, release_row) in WITHDRAWN:
        return None
    return RetrainSettings(release_row, owner)


def all_retrain_settings(session: Session) -> Iterator[RetrainSettings]:
    """The settings of every model."""
    newest = select(ReleaseRow.model, func.max(ReleaseRow.number)).group_by(ReleaseRow.model)
    query = select(ReleaseRow, ModelOwnerRow).join(ModelOwnerRow, ModelOwnerRow.model == ReleaseRow.model)
    rows = session.execute(query.where(tuple_(ReleaseRow.model, ReleaseRow.number).in_(newest)))
    yield from (RetrainSettings(row, owner.project) for row, owner in rows if state_of(session, row) not in WITHDRAWN)
