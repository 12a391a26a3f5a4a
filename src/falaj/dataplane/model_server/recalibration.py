"""Answers moved by what the location's agent learned from labels, read from a file that it replaces once a day."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from falaj.core.errors import FalajError
from falaj.core.file_identity import identity_of
from falaj.dataplane.prediction_log.format import AppliedOffset
from falaj.models.tables import Array
from falaj.statistics.recalibration.document import (
    MAX_BYTES,
    RecalibrationDocument,
    RecalibrationFileError,
    open_document,
)
from falaj.statistics.recalibration.records import AnswerKind

Outputs = Mapping[str, Array]
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Offset:
    """What moves the answers of a batch.

    Args:
        applied: Version and offset, as the log holds them.
        kind: What the release answers with.
        threshold: A probability from here on is the second class.
        expires_at: From when on answers are bare; Unix seconds.
    """

    applied: AppliedOffset
    kind: AnswerKind
    threshold: float
    expires_at: float

    def move(self, outputs: Outputs) -> Outputs | None:
        """The outputs that are moved, and no others; None where the model does not answer with what this is for."""
        if self.kind is AnswerKind.REGRESSION:
            return _moved_numbers(outputs, self.applied.offset)
        return _moved_probabilities(outputs, math.exp(self.applied.offset), self.threshold)


def _moved_numbers(outputs: Outputs, offset: float) -> Outputs | None:
    if len(outputs) != 1:
        return None
    ((name, values),) = outputs.items()
    if values.ndim != 1 or values.dtype.kind != "f":
        return None
    return {name: (values.astype(np.float64) + offset).astype(values.dtype)}


def _moved_probabilities(outputs: Outputs, times: float, threshold: float) -> Outputs | None:
    """Odds of the second class times a factor; a label changes where its probability crosses the threshold."""
    both = outputs.get("probability")
    if both is None or both.ndim != 2 or both.shape[1] != 2 or both.dtype.kind != "f":
        return None
    label = outputs.get("label")
    if label is not None and label.dtype.kind not in "iufb":
        return None
    before = both[:, 1].astype(np.float64)
    after = before * times
    after /= 1.0 + before * (times - 1.0)
    moved = np.empty_like(both)
    moved[:, 1] = after
    np.subtract(1.0, moved[:, 1], out=moved[:, 0])
    if label is None:
        return {"probability": moved}
    second = after >= threshold
    crossed = second != (before >= threshold)
    return {"probability": moved, "label": np.where(crossed, second, label).astype(label.dtype, copy=False)}


class ServedRecalibration:
    """Looks at the file of a release and knows what to move answers by.

    Args:
        path: The file; there need not be one.
        public_key: Of the location, 32 bytes.
        endpoint: `environment/model`.
        release: `name@version`.
        clock: Unix time.
    """

    def __init__(
        self, path: Path, public_key: bytes, endpoint: str, release: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._path, self._key, self._clock = path, public_key, clock
        self._about = (endpoint, release)
        self._identity: tuple[int, int, int] | None = None
        self._read: Offset | None = None
        self.problem = ""
        self.current: Offset | None = None

    def look(self) -> None:
        """Read the file if it is another one than before; one that cannot be believed leaves answers bare."""
        identity = identity_of(self._path)
        if identity != self._identity:
            self._identity, self.problem = identity, ""
            self._read = self._opened() if identity else None
        offset = self._read
        self.current = offset if offset is not None and self._clock() < offset.expires_at else None

    def _opened(self) -> Offset | None:
        try:
            document = self._document()
        except (FalajError, OSError) as error:
            self.problem = str(error)
            print(f"serving.recalibration-file: answers are bare: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the process's log)
            return None
        print(f"recalibration: version {document.version}, offset {document.offset:+.4g}", flush=True)  # noqa: T201 (the process's log)
        if document.reason or document.offset == 0:
            return None
        applied = AppliedOffset(document.version, document.offset)
        return Offset(applied, document.kind, document.threshold, document.expires_at)

    def _document(self) -> RecalibrationDocument:
        if self._path.stat().st_size > MAX_BYTES:
            raise RecalibrationFileError("the file of recalibration is too large")
        document = open_document(self._path.read_bytes(), self._key)
        if (document.endpoint, document.release) != self._about:
            raise RecalibrationFileError(f"the file speaks of {document.release} at {document.endpoint}")
        return document
