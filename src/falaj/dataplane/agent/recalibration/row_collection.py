"""From labels as they are joined to labelled rows that an offset can be fitted to (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from falaj.dataplane.label_join import JoinedLabel
from falaj.statistics.losses import probabilities_of, score_of
from falaj.statistics.recalibration import AnswerKind


@dataclass(frozen=True)
class GatheredRow:
    """One labelled row.

    Args:
        endpoint: `environment/model`.
        release: `name@version`.
        key: A hash of the prediction and the row, the same when its label is corrected; also what decides which rows
            of a busy day are kept.
        predicted_at: Unix seconds.
        arrived_at: When its label came, Unix seconds.
        score: What the model gave.
        label: What was true.
    """

    endpoint: str
    release: str
    key: int
    predicted_at: float
    arrived_at: float
    score: float
    label: float


def gathered(joined: JoinedLabel, kind: AnswerKind, senders: Collection[str]) -> Iterator[GatheredRow]:
    """The rows of a prediction whose labels move answers: those that a sender with the right to it sent.

    Args:
        joined: A prediction with its label.
        kind: What its release answers with.
        senders: Pseudonyms of callers with the right.
    """
    if joined.forced or joined.label_record.sender not in senders:
        return
    outputs = joined.prediction.bare_outputs
    for row, label in enumerate(joined.label[: len(joined.features)]):
        score, truth = _score(kind, outputs, row), _truth(kind, label)
        if score is not None and truth is not None:
            key = _key(joined.request_id, row)
            times = (joined.predicted_at, joined.label_record.received_at)
            yield GatheredRow(joined.endpoint, joined.release, key, *times, score, truth)


def _score(kind: AnswerKind, outputs: object, row: int) -> float | None:
    if kind is AnswerKind.BINARY:
        both = probabilities_of(outputs, row)  # type: ignore[arg-type]
        return float(both[1]) if len(both) == 2 else None
    return score_of(outputs, row)  # type: ignore[arg-type]


def _truth(kind: AnswerKind, label: object) -> float | None:
    if not isinstance(label, bool | int | float):
        return None
    truth = float(label)
    return truth if kind is AnswerKind.REGRESSION or truth in (0.0, 1.0) else None


def _key(request_id: str, row: int) -> int:
    digest = hashlib.blake2b(f"{request_id}/{row}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
