"""Labels as a reason for a training: how many came since the newest release, and the loss that they show.

The only module of the room that reads what locations counted.
"""

from __future__ import annotations

import math
import statistics

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj import release as releases
from falaj.processes import ProcessTable
from falaj.retraining.feedback import FeedbackWish, feedback_trigger
from falaj.retraining.requesting import Requested, lock, request_training
from falaj.retraining.wishes import Wishes, all_wishes
from falaj.rollout.segments.student import student_quantile
from falaj.storage.monitoring_tables import LossRunRow, ProfileBlockRow
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
    asked = []
    for wishes in all_wishes(session):
        for wish in wishes.all:
            if wish["on"] == "labels":
                found = _ask(session, processes, wishes, FeedbackWish(wish.get("every"), wish.get("loss_above")), now)
                asked += [found] if found else []
    return asked


def _ask(session: Session, processes: ProcessTable, wishes: Wishes, wish: FeedbackWish, now: float) -> Requested | None:
    model, made = wishes.release.model, wishes.release
    count = new_labels(session, wishes, now)
    loss = loss_of_live(session, model) if wish.loss_bound is not None else None
    trigger = feedback_trigger(model, made.run_id, wish, labels=count, loss=loss, now=now)
    if trigger is None:
        return None
    cause = {"kind": "feedback", "occasion": trigger.occasion, "reason": trigger.reason, "labels": count}
    return request_training(session, processes, model, cause, now)


def new_labels(session: Session, wishes: Wishes, now: float) -> int:
    """Labels of answers that came since the newest release of a model was first looked at."""
    model, number = wishes.release.model, wishes.release.number
    total = known_labels(session, model)
    memory = session.get(RetrainingRow, model)
    before = (memory.seen if memory else {}).get("labels", {})
    if before.get("release") != number or before.get("total", 0) > total:
        memory = lock(session, model, wishes.project, now)
        memory.seen = {**memory.seen, "labels": {"release": number, "total": total}}
        return 0
    return total - int(before["total"])


def known_labels(session: Session, model: str) -> int:
    """Labels of answers of all releases of a model, of which locations have told."""
    labelled = ProfileBlockRow.losses["labelled"].as_integer()
    query = select(func.sum(labelled)).where(ProfileBlockRow.model == model, ProfileBlockRow.arm == "answered")
    return int(session.scalar(query) or 0)


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
