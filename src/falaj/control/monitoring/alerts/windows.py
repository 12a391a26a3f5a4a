"""What is to be judged next at an endpoint, from the rows that its location reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from falaj.control.monitoring.evaluation import LossBlock, MonitorState, WindowBlock
from falaj.statistics.profiles import Profile
from falaj.statistics.reference import ReleaseReference
from falaj.storage.monitoring_tables import LossRunRow, MonitorRow, ProfileBlockRow

ANSWERED = "answered"
MOST_RUNS = 2_000


@dataclass(frozen=True, order=True)
class MonitoredEndpoint:
    """An endpoint at a location."""

    location: str
    environment: str
    model: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Primary key of what is kept by place."""
        return self.location, self.environment, self.model

    @property
    def subject(self) -> str:
        """As the audit log names it."""
        return f"endpoint/{self.environment}/{self.model}"


def state_of(row: MonitorRow) -> MonitorState:
    """What the monitors of a row remember."""
    return MonitorState.from_json(row.state)


def next_window(
    session: Session, place: MonitoredEndpoint, state: MonitorState, reference: ReleaseReference
) -> tuple[int, list[WindowBlock], list[LossBlock]] | None:
    """The first window that is complete and was not judged.

    A window is complete when its last block, or a later one, is final: locations close blocks in order.

    Returns:
        Its number, its blocks, and the losses that came since; None when there is none yet.
    """
    size = reference.settings.window
    of_release = _of(ProfileBlockRow, place, state.release)
    first = state.next_window
    query = of_release.with_only_columns(func.min(ProfileBlockRow.number), func.max(ProfileBlockRow.number))
    if first is not None:
        query = query.where(ProfileBlockRow.number >= first * size)
    lowest, highest = session.execute(query.where(ProfileBlockRow.final)).one()
    if lowest is None:
        return None
    number = lowest // size
    if highest + 1 < (number + 1) * size:
        return None
    bounds = ProfileBlockRow.number.between(number * size, (number + 1) * size - 1)
    rows = session.scalars(of_release.where(bounds).order_by(ProfileBlockRow.number)).all()
    return number, [_block(row) for row in rows], _runs(session, place, state)


def _of(table: Any, place: MonitoredEndpoint, release: int) -> Select[Any]:
    return select(table).where(
        table.location == place.location,
        table.environment == place.environment,
        table.model == place.model,
        table.release == release,
        table.arm == ANSWERED,
    )


def _block(row: ProfileBlockRow) -> WindowBlock:
    features, predictions = (Profile.from_json(each) if each else None for each in (row.features, row.predictions))
    return WindowBlock(row.start, row.end, row.rows, features, predictions, row.losses, row.least)


def _runs(session: Session, place: MonitoredEndpoint, state: MonitorState) -> list[LossBlock]:
    query = _of(LossRunRow, place, state.release).where(LossRunRow.number >= state.next_run)
    rows: Sequence[LossRunRow] = session.scalars(query.order_by(LossRunRow.number).limit(MOST_RUNS)).all()
    return [LossBlock(row.number, row.rows, row.mean, row.start, row.end, row.labelled_at) for row in rows]
