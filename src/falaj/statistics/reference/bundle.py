"""What travels with a release so that it can be watched: profiles of its inputs and predictions, and what to expect.

Features are profiled over the rows that it was trained and accepted on. Predictions, losses and what scores mean come
from the rows that it was accepted on alone: a model is surer of rows that it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from falaj.core.errors import IntegrityError
from falaj.statistics.concept import Baseline
from falaj.statistics.performance import Calibration
from falaj.statistics.profiles import ReferenceProfile
from falaj.statistics.recalibration import AnswerKind
from falaj.statistics.reference.settings import MonitoringSettings

FORM = "falaj/release-reference/1"
FILE = "reference.json"
PREDICTION = "prediction"
ERROR_RATE = "error_rate"


class ReferenceFormatError(IntegrityError):
    """A document is no reference of a release, or of a version that is not known."""

    code = "monitoring.reference-format"


@dataclass(frozen=True)
class ExpectedLoss:
    """The loss that a release is expected to have.

    Args:
        metric: `brier`, `error_rate` for several classes, or `absolute` for numbers.
        mean: On the rows that it was accepted on; in [0, 1].
        scale: What an absolute error is divided by.
        block_rows: So many labelled rows are judged as one.
        baseline: What the concept monitor holds losses against; None when there were too few.
        reason: Why there is no baseline; empty when there is one.
    """

    metric: str
    mean: float
    scale: float = 1.0
    block_rows: int = 50
    baseline: Baseline | None = None
    reason: str = ""


@dataclass(frozen=True)
class ReleaseReference:
    """All that monitors compare with.

    Args:
        settings: How to look.
        features: Of the inputs.
        predictions: Of the predictions, one column `prediction`; None when they are no numbers.
        calibration: What scores mean; None when they are no probabilities, or too few had labels.
        loss: What loss to expect; None without labels.
        notes: What is missing and why.
    """

    settings: MonitoringSettings
    features: ReferenceProfile
    predictions: ReferenceProfile | None = None
    calibration: Calibration | None = None
    loss: ExpectedLoss | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def answer_kind(self) -> AnswerKind | None:
        """What the release answers with, as far as it can be recalibrated; None where it cannot."""
        kinds = {"brier": AnswerKind.BINARY, "absolute": AnswerKind.REGRESSION}
        return kinds.get(self.loss.metric) if self.loss else None

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON document."""
        return {
            "form": FORM,
            "settings": self.settings.to_json(),
            "features": self.features.to_json(),
            "predictions": self.predictions.to_json() if self.predictions else None,
            "calibration": self.calibration.as_json() if self.calibration else None,
            "loss": _loss_json(self.loss) if self.loss else None,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReleaseReference:
        """Read a document.

        Raises:
            ReferenceFormatError: It is no reference of a known version.
        """
        if document.get("form") != FORM:
            raise ReferenceFormatError(f"this is not a reference of the form {FORM}: {document.get('form')!r}")
        try:
            predictions, calibration, loss = (document[name] for name in ("predictions", "calibration", "loss"))
            return cls(
                MonitoringSettings.from_json(document["settings"]),
                ReferenceProfile.from_json(document["features"]),
                ReferenceProfile.from_json(predictions) if predictions else None,
                Calibration.from_json(calibration) if calibration else None,
                _loss(loss) if loss else None,
                tuple(document["notes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ReferenceFormatError(f"the reference is damaged: {error!r}") from error

    def write(self, folder: Path) -> None:
        """Write it as the one file of a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")))

    @classmethod
    def read(cls, folder: Path) -> ReleaseReference:
        """Read the folder that `write` wrote.

        Raises:
            ReferenceFormatError: There is no reference in it.
        """
        try:
            return cls.from_json(json.loads((folder / FILE).read_bytes()))
        except (OSError, ValueError) as error:
            raise ReferenceFormatError(f"the reference cannot be read: {error}", where=str(folder)) from error


def _loss_json(loss: ExpectedLoss) -> dict[str, Any]:
    return {
        "metric": loss.metric,
        "mean": loss.mean,
        "scale": loss.scale,
        "block_rows": loss.block_rows,
        "baseline": loss.baseline.to_json() if loss.baseline else None,
        "reason": loss.reason,
    }


def _loss(document: Mapping[str, Any]) -> ExpectedLoss:
    baseline = document["baseline"]
    return ExpectedLoss(**{**document, "baseline": Baseline.from_json(baseline) if baseline else None})
