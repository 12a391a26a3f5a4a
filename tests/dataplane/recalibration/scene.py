"""A location whose releases are recalibrated: real logs, a real join, and a clock that a test sets."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from falaj.dataplane.agent.recalibration.recalibration_thread import RecalibrationWatch
from falaj.dataplane.agent.recalibration.reporting import Reports
from falaj.dataplane.agent.recalibration.rows_file import RowsFile
from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.prediction_log import LABELS, LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import encode_record
from falaj.statistics.recalibration.document import RecalibrationDocument, file_name, open_document
from falaj.statistics.recalibration.offset import log_odds, probability
from falaj.statistics.recalibration.selection import ScoreDay
from falaj.statistics.reference import MonitoringSettings, ReferenceRows, ReleaseReference, build_reference
from falaj.supply_chain.artifacts.digest import Digest
from falaj.supply_chain.attestations.keys import load_or_create_key

ENDPOINT = "prod/delay"
DAY_S = 86_400.0
FIRST = 20_000
TOKEN = "secret"
SENDER = hashlib.sha256(TOKEN.encode()).hexdigest()
DIGEST = Digest("sha256:" + "ab" * 32)


def reference(*, regression: bool = False, **settings: Any) -> ReleaseReference:
    rng = np.random.default_rng(1)
    score = rng.uniform(0.05, 0.95, 2000)
    label = score + rng.normal(0, 1, 2000) if regression else (rng.random(2000) < score).astype(float)
    table = ReferenceRows({"x": score}, held_out=True, label=label, score=score, probabilities=not regression)
    return build_reference([table], MonitoringSettings(**{"block": 100, "window": 1, **settings}), salt=b"salt")


@dataclass
class Scene:
    """One location; days are counted from `FIRST`."""

    folder: Path
    references: dict[int, ReleaseReference] = field(default_factory=lambda: {3: reference()})
    now: float = (FIRST + 0.01) * DAY_S
    regression: bool = False
    reports: Reports = field(default_factory=Reports)
    days: dict[str, list[ScoreDay]] = field(default_factory=dict)
    live: int = 3
    senders: set[str] = field(default_factory=lambda: {SENDER})
    _count: int = 0

    @property
    def documents(self) -> Path:
        return self.folder / "recalibration"

    @property
    def signer(self) -> Any:
        return load_or_create_key(self.folder / "key.pem")

    def open(self) -> RecalibrationWatch:
        join = LabelJoin(self.folder / "labels.db", self.folder / "predictions", clock=lambda: self.now)
        return RecalibrationWatch(
            "dubai", self.documents, RowsFile(self.folder / "rows.db"), join, self._reference,
            lambda _endpoint, release: self.days.get(release, []), self._desired, lambda _endpoint: self.senders,
            self.signer, self.reports, lambda: self.now,
        )  # fmt: skip

    def _reference(self, release: str) -> ReleaseReference | None:
        return self.references.get(int(release.rpartition("@")[2]))

    def _desired(self) -> DesiredState:
        endpoints = [
            DesiredEndpoint("prod", "delay", number, Digest("sha256:" + "cd" * 32), reference=DIGEST)
            for number in self.references if number == self.live
        ]  # fmt: skip
        return DesiredState(1, tuple(endpoints))

    def day(
        self, day: int, need: float, *, count: int = 300, token: str | None = TOKEN, delay_s: float = 0.3 * DAY_S,
        answered: Callable[[float], float] = lambda score: score,
        labelled: Callable[[float], bool] = lambda _score: True,
    ) -> None:  # fmt: skip
        """A day's predictions by the live release, and their labels, whose truth lies `need` away from the model."""
        rng = np.random.default_rng(day)
        release, scores = f"delay@{self.live}", rng.uniform(0.05, 0.6, count)
        odds = log_odds(scores) + need
        labels = (
            scores + need + rng.normal(0, 0.1, count) if self.regression else (rng.random(count) < probability(odds))
        )
        at = ((FIRST + day) + rng.uniform(0.1, 0.6, count)) * DAY_S
        ids = [str(uuid.UUID(int=self._count + place + 1)) for place in range(count)]
        self._count += count
        log = self._writer(f"p{day}-{self.live}", SegmentHeader(release, ENDPOINT, ("x",), 0))
        for name, score, when in zip(ids, scores.tolist(), at.tolist(), strict=True):
            log.append(encode_record(name, int(when * 1e9), [(score,)], *self._outputs(score, answered(score))))
        log.close()
        labelled_places = [place for place in range(count) if labelled(scores[place])]
        self.label(
            [ids[p] for p in labelled_places],
            [float(labels[p]) for p in labelled_places],
            (at + delay_s)[labelled_places].tolist(),
            token,
        )
        odds_of_all = ScoreDay(FIRST + day).added(scores if self.regression else log_odds(scores))
        self.days.setdefault(release, []).append(odds_of_all)

    def _outputs(self, score: float, answered: float) -> tuple[Any, ...]:
        facts = (1, None, None, 900)
        if self.regression:
            return {"prediction": [score]}, facts
        if answered == score:
            return {"label": [int(score > 0.5)], "probability": [[1 - score, score]]}, facts
        outputs = {
            "label": [int(answered > 0.5)], "probability": [[1 - answered, answered]],
            "bare_label": [int(score > 0.5)], "bare_probability": [[1 - score, score]],
        }  # fmt: skip
        return outputs, facts, (1, 0.5)

    def label(self, ids: Sequence[str], labels: Sequence[Any], at: Sequence[float], token: str | None = TOKEN) -> None:
        """Labels as a model server keeps them."""
        sender = hashlib.sha256(token.encode()).hexdigest() if token else None
        log = self._writer(
            f"l{self._count}-{len(list(self.folder.rglob('*')))}", SegmentHeader("", ENDPOINT, (), 0, kind=LABELS)
        )
        for name, label, when in zip(ids, labels, at, strict=True):
            more = [sender] if sender else []
            log.append(encode_record("request", int(when * 1e9), [[name, label, when]], *more))
        log.close()

    def _writer(self, name: str, header: SegmentHeader) -> LogWriter:
        return LogWriter(self.folder / "predictions" / name, header, lambda: int(self.now * 1e9))

    def morning(self, day: int, watch: RecalibrationWatch, hour: float = 0.02) -> int:
        """A look of the agent early on a day."""
        self.now = (FIRST + day + hour) * DAY_S
        watch._join.advance()
        return watch.look()

    def document(self, release: int = 3) -> RecalibrationDocument:
        from falaj.dataplane.agent.recalibration.recalibration_thread import raw_public_key

        data = (self.documents / file_name(ENDPOINT, f"delay@{release}")).read_bytes()
        return open_document(data, raw_public_key(self.signer))

    def switch(self, **settings: Any) -> None:
        """Other settings of the live release."""
        before = self.references[self.live]
        self.references[self.live] = replace(before, settings=replace(before.settings, **settings))
