"""Labels as a reason for a training: how many came, how rows have grown with them, and the loss that they show."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control import releases
from falaj.control.retraining.admission import Requested, lock, request_training
from falaj.control.retraining.growth import GrowthPolicy, growth_occasion, growth_reason
from falaj.control.retraining.label_trigger import LabelTriggerRule, feedback_trigger
from falaj.control.retraining.model_settings import RetrainSettings, all_retrain_settings
from falaj.control.retraining.rows import growth_of, known_labels
from falaj.statistics.rollout.segments.t_distribution import student_quantile
from falaj.storage.durable import ProcessTable
from falaj.storage.monitoring_tables import LossRunRow
from falaj.storage.retraining_tables import RetrainingRow

_CONFIDENCE = 0.975
FEWEST_RUNS = 8
"""Means of losses, each of as many labelled rows, below which nothing is said about the loss."""
_MOST_RUNS = 50


def ask_for_labels(session: Session, processes: ProcessTable, now: float) -> list[Requested]:
    """Ask for a training of each model of which enough labels have come, or too large a loss is shown.

    Args:
        session: The caller's transaction.
        processes: The process table.
        now: Unix seconds.
    """
    outcomes = []
    for settings in all_retrain_settings(session):
        for entry in settings.all:
            if entry["on"] == "labels":
                outcome = _ask(
                    session,
                    processes,
                    settings,
                    LabelTriggerRule(entry.get("every"), entry.get("loss_above")),
                    now,
                )
                outcomes += [outcome] if outcome else []
    return outcomes


def ask_for_growth(session: Session, processes: ProcessTable, now: float) -> list[Requested]:
    """Ask for a training of each model whose labelled rows have grown enough, or that has become old.

    Args:
        session: The caller's transaction.
        processes: The process table.
        now: Unix seconds.
    """
    outcomes = []
    for settings in all_retrain_settings(session):
        for entry in settings.all:
            if entry["on"] == "growth":
                outcome = _ask_by_growth(session, processes, settings, growth_policy(entry), now)
                outcomes += [outcome] if outcome else []
    return outcomes


def growth_policy(entry: Mapping[str, Any]) -> GrowthPolicy:
    """The policy that an entry of the project file is."""
    usual = GrowthPolicy()
    return GrowthPolicy(entry.get("factor", usual.factor), entry.get("max_age_s", usual.max_age_s))


def _ask_by_growth(
    session: Session, processes: ProcessTable, settings: RetrainSettings, policy: GrowthPolicy, now: float
) -> Requested | None:
    new_labels(session, settings, now)  # the newest release is looked at: from here on its labels count
    growth, release_row = growth_of(session, settings), settings.release
    reason = growth_reason(policy, growth, now)
    if not reason:
        return None
    occasion = growth_occasion(release_row.run_id, growth)
    cause = {"kind": "growth", "occasion": occasion, "reason": reason, "rows": growth.now, "learned": growth.learned}
    return request_training(session, processes, release_row.model, cause, now)


def _ask(
    session: Session, processes: ProcessTable, settings: RetrainSettings, rule: LabelTriggerRule, now: float
) -> Requested | None:
    model, release_row = settings.release.model, settings.release
    count = new_labels(session, settings, now)
    loss = loss_of_live(session, model) if rule.loss_bound is not None else None
    trigger = feedback_trigger(model, release_row.run_id, rule, labels=count, loss=loss, now=now)
    if trigger is None:
        return None
    cause = {"kind": "feedback", "occasion": trigger.occasion, "reason": trigger.reason, "labels": count}
    return request_training(session, processes, model, cause, now)


def new_labels(session: Session, settings: RetrainSettings, now: float) -> int:
    """Labels of answers that came since the newest release of a model was first looked at."""
    model, number = settings.release.model, settings.release.number
    total = known_labels(session, model)
    memory = session.get(RetrainingRow, model)
    before = (memory.observations if memory else {}).get("labels", {})
    if before.get("release") != number or before.get("total", 0) > total:
        memory = lock(session, model, settings.project, now)
        memory.observations = {**memory.observations, "labels": {"release": number, "total": total}}
        return 0
    return total - int(before["total"])


def loss_of_live(session: Session, model: str) -> tuple[float, float] | None:
    """An interval of the mean loss of the release that is live, by its last labels; None when there are too few.

    Each observation is the mean of as many rows, which are alike within it: Student's t on those means.
    """
    live = releases.live(session, model)
    if live is None:
        return None
    mine = (LossRunRow.model == model, LossRunRow.release == live.number, LossRunRow.arm == "answered")
    newest = select(LossRunRow.mean).where(*mine).order_by(LossRunRow.labelled_at.desc()).limit(_MOST_RUNS)
    means = list(session.scalars(newest))
    if len(means) < FEWEST_RUNS:
        return None
    middle = statistics.fmean(means)
    reach = student_quantile(_CONFIDENCE, len(means) - 1) * statistics.stdev(means) / math.sqrt(len(means))
    return middle - reach, middle + reach
