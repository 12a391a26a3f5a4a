"""Labels in the log: what really happened, by prediction id.

A segment of kind `labels` has the form of one of predictions and lies beside them. Each of its records is a request's
labels at once: the payload is the request id (or nil), a list of `[prediction id, label, labelled at]`, the last in
Unix seconds, or nil for the time at which the labels came, and the digest of the token that the sender showed, or nil.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from falaj.dataplane.prediction_log.format import Raw, SegmentHeader

Label = Any
"""A number, text or truth value, or a list with one of them (or None) for each row of the prediction."""


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """One label as it came.

    Args:
        prediction_id: The id of the answer that it is about.
        label: See `Label`.
        at: When it was known, Unix seconds; where the sender does not say, when it came.
        received_at: When it came, Unix seconds.
        endpoint: `environment/model` that it was sent to.
        sender: Digest of the token that its sender showed; empty where none was shown.
    """

    prediction_id: str
    label: Label
    at: float
    received_at: float
    endpoint: str
    sender: str = ""


def labels_of(header: SegmentHeader, raw: Raw) -> Iterator[LabelRecord]:
    """The labels that a record holds, in the order in which they were sent."""
    _, at_ns, (items, *more), _ = raw
    received, sender = at_ns / 1e9, (more[0] if more else None) or ""
    for prediction_id, label, at in items:
        yield LabelRecord(prediction_id, label, received if at is None else at, received, header.endpoint, sender)
