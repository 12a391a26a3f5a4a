"""Taking what a location counted: idempotent, so that it may be told again whatever died when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from falaj.core.errors import FalajError, UsageError
from falaj.core.ids import parse_number
from falaj.statistics.performance import STRIPS
from falaj.statistics.profiles import Profile
from falaj.storage import EndpointRow
from falaj.storage.monitoring_tables import LossRunRow, ProfileBlockRow

ARMS = ("answered", "shadow")
MOST_NUMBER, MOST_ROWS = 2**53, 2**31 - 1


@dataclass(frozen=True)
class Received:
    """What became of a report.

    Args:
        accepted: Blocks and losses that are new.
        refused: Why others were not taken; telling them again would not help.
    """

    accepted: int
    refused: tuple[str, ...] = ()


def receive(
    session: Session,
    location: str,
    blocks: Iterable[Mapping[str, Any]],
    losses: Iterable[Mapping[str, Any]],
    now: float,
) -> Received:
    """Keep what is new of a report.

    Args:
        session: The caller's transaction.
        location: Who reports.
        blocks: As `locations.agent.profiling` tells of them.
        losses: The same.
        now: Unix seconds.
    """
    accepted, refused = 0, []
    for keep, items in ((_keep_block, blocks), (_keep_losses, losses)):
        for item in items:
            try:
                key = _key(session, location, item)
                with session.begin_nested():
                    accepted += keep(session, key, item, now)
            except (FalajError, KeyError, TypeError, ValueError, ArithmeticError) as error:
                refused.append(f"{item.get('endpoint')} {item.get('release')} {item.get('number')}: {error}")
    return Received(accepted, tuple(refused))


_Key = tuple[str, str, str, int, str, int]


def _key(session: Session, location: str, item: Mapping[str, Any]) -> _Key:
    environment, _, model = str(item["endpoint"]).partition("/")
    name, _, release = str(item["release"]).rpartition("@")
    number = _whole(item["number"])
    if "\x00" in f"{environment}{model}" or session.get(EndpointRow, (location, environment, model)) is None:
        raise UsageError(f"{location} has no endpoint {environment}/{model}")
    if name != model or item["arm"] not in ARMS:
        raise UsageError(f"these are not counts of {model}")
    return location, environment, model, _whole(parse_number(release), MOST_ROWS), str(item["arm"]), number


def _whole(value: Any, most: int = MOST_NUMBER) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise UsageError(f"{str(value)[:40]} is not a whole number from 0 to {most}")
    return value


def _keep_block(session: Session, key: _Key, item: Mapping[str, Any], now: float) -> int:
    start, end = float(item["start"]), float(item["end"])
    rows, revision = _whole(item["rows"], MOST_ROWS), _whole(item["revision"])
    if not (math.isfinite(start) and math.isfinite(end)) or start > end:
        raise UsageError("the block has no sensible time")
    row = session.get(ProfileBlockRow, key)
    if row is not None and revision <= row.revision:
        return 0
    profiles = {name: _profile(item.get(name)) for name in ("features", "predictions")}
    if row is None:
        names = ("location", "environment", "model", "release", "arm", "number")
        row = ProfileBlockRow(**dict(zip(names, key, strict=True)), features=None, predictions=None, losses=None)
        session.add(row)
    row.start, row.end, row.rows, row.final = start, end, rows, bool(item["final"])
    row.revision, row.least, row.received_at = revision, _whole(item.get("least", 0), MOST_ROWS), now
    for name, document in profiles.items():
        if document is not None:  # a location that was told is sent no more does not keep it, and tells labels alone
            setattr(row, name, document)
    row.losses = _tally(item.get("losses")) or row.losses
    return 1


def _profile(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if document is None:
        return None
    profile = Profile.from_json(document)
    if not (math.isfinite(profile.start) and math.isfinite(profile.end)):
        raise UsageError("the profile has no sensible time")
    return profile.to_json()  # what was understood, and nothing else


def _tally(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not document:
        return None
    labelled, total = _whole(document["labelled"], MOST_ROWS), float(document["total"])
    cells = [_whole(count, MOST_ROWS) for count in document["cells"]]
    wrong = document.get("wrong")
    if not 0 <= total <= labelled or len(cells) > 1_000:
        raise UsageError("the losses do not add up")
    tally_data = {"labelled": labelled, "total": total, "cells": cells, **_strips(document, labelled)}
    return {**tally_data, "wrong": None if wrong is None else _whole(wrong, labelled)}


def _strips(document: Mapping[str, Any], labelled: int) -> dict[str, Any]:
    """Losses by strip of scores; nothing of a model whose scores are no probabilities."""
    rows = [_whole(count, labelled) for count in document.get("score_rows", ())]
    losses = [float(total) for total in document.get("score_losses", ())]
    fit = len(rows) == len(losses) and len(rows) in (0, STRIPS) and sum(rows) <= labelled
    if not fit or not all(0 <= loss <= count + 1e-6 for loss, count in zip(losses, rows, strict=False)):
        raise UsageError("the losses by score do not add up")
    return {"score_rows": rows, "score_losses": losses}


def _keep_losses(session: Session, key: _Key, item: Mapping[str, Any], _now: float) -> int:
    if session.get(LossRunRow, key) is not None:
        return 0
    numbers = {name: float(item[name]) for name in ("mean", "start", "end", "labelled_at")}
    if (
        not all(map(math.isfinite, numbers.values()))
        or not 0 <= numbers["mean"] <= 1
        or _whole(item["rows"], MOST_ROWS) < 1
    ):
        raise UsageError("the losses are not finite means")
    names = ("location", "environment", "model", "release", "arm", "number")
    session.add(LossRunRow(**dict(zip(names, key, strict=True)), rows=item["rows"], **numbers))
    session.flush()
    return 1


def forget(session: Session, before: float) -> None:
    """Drop blocks and losses that are known since before a time; what was found in them is kept with the windows."""
    session.execute(delete(ProfileBlockRow).where(ProfileBlockRow.received_at < before))
    session.execute(delete(LossRunRow).where(LossRunRow.labelled_at < before))
