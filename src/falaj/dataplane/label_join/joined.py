"""A prediction with its label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from falaj.dataplane.prediction_log import LabelRecord, PredictionRecord


@dataclass(frozen=True, slots=True)
class JoinedLabel:
    """One prediction, of the arm that answered or of a shadow, and what really happened.

    Args:
        number: Grows with each; where a reader goes on.
        prediction: The record.
        label_record: The label as it came.
        correction: It takes the place of a label that this prediction was joined with before.
    """

    number: int
    prediction: PredictionRecord
    label_record: LabelRecord
    correction: bool

    @property
    def request_id(self) -> str:
        """The prediction id; the stable arm's record and a shadow's have the same."""
        return self.prediction.request_id

    @property
    def endpoint(self) -> str:
        """`environment/model`."""
        return self.prediction.header.endpoint

    @property
    def release(self) -> str:
        """`name@version` that predicted."""
        return self.prediction.header.release

    @property
    def arm(self) -> str:
        """`stable`, `candidate`, `shadow`, or empty where the endpoint had no rollout."""
        return self.prediction.routing.arm

    @property
    def weight(self) -> int | None:
        """Canary weight in force when the request was routed, in 1/10,000."""
        return self.prediction.routing.weight

    @property
    def forced(self) -> bool:
        """The request came here whatever the weights, and is not in the statistics."""
        return self.prediction.routing.forced

    @property
    def shadow(self) -> bool:
        """Nobody got this answer."""
        return self.prediction.routing.shadow

    @property
    def unit(self) -> int | None:
        """Number of the sticky unit."""
        return self.prediction.routing.unit

    @property
    def features(self) -> Sequence[Sequence[Any]]:
        """One tuple a row, in the order of `prediction.header.features`."""
        return self.prediction.rows

    @property
    def outputs(self) -> Mapping[str, Sequence[Any]]:
        """The model's outputs by name, one value (or list) a row."""
        return self.prediction.outputs

    @property
    def label(self) -> tuple[Any, ...]:
        """One value a row; None for a row of which nothing was said."""
        label = self.label_record.label
        return tuple(label) if isinstance(label, list) else (label,)

    @property
    def predicted_at(self) -> float:
        """Unix seconds."""
        return self.prediction.at

    @property
    def labelled_at(self) -> float:
        """When the label was known, Unix seconds."""
        return self.label_record.at
