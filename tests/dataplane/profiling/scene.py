"""A location with a log that real writers wrote, a release with a reference, and a control plane that may be silent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from falaj.dataplane.agent.profiling import Profiling, References
from falaj.dataplane.agent.profiling.profile_store import ProfileStore
from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState
from falaj.dataplane.errors import LocationError
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.prediction_log import LABELS, LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import encode_record
from falaj.statistics.reference import MonitoringSettings, ReferenceRows, ReleaseReference, build_reference
from falaj.supply_chain.artifacts.digest import Digest

ENDPOINT, RELEASE = "prod/delay", "delay@3"
DIGEST = Digest("sha256:" + "ab" * 32)
NOW = 1_700_000_000.0


def rows(seed: int, count: int = 4000) -> ReferenceRows:
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.05, 0.95, count)
    carrier = np.array(["AA", "UA", "DL"], dtype=object)[rng.integers(0, 3, count)]
    columns = {"distance": rng.normal(1000, 300, count), "carrier": carrier}
    label = (rng.random(count) < score).astype(float)
    return ReferenceRows(columns, held_out=True, label=label, score=score, probabilities=True)


def reference(**settings: Any) -> ReleaseReference:
    return build_reference([rows(1)], MonitoringSettings(**{"block": 100, "window": 1, **settings}), salt=b"salt")


@dataclass
class Shelf:
    """Gives artifacts out, or fails to."""

    references: dict[str, ReleaseReference]
    away: bool = False

    def fetch(self, digest: Digest, target: Path) -> Path:
        if self.away:
            raise LocationError("the server cannot be reached")
        self.references[digest].write(target)
        return target


@dataclass
class Scene:
    """One location."""

    folder: Path
    reference: ReleaseReference | None
    now: float = NOW
    silent: bool = False
    shelf: Shelf = field(init=False)
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    _writers: dict[str, LogWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shelf = Shelf({DIGEST: self.reference} if self.reference else {})

    def clock(self) -> float:
        return self.now

    def take(self, message: Mapping[str, Any]) -> None:
        if self.silent:
            raise LocationError("the server cannot be reached")
        self.messages.append(message)

    def join(self) -> LabelJoin:
        return LabelJoin(self.folder / "labels.db", self.folder / "predictions", clock=self.clock)

    def open(self) -> Profiling:
        reference = DIGEST if self.reference else None
        endpoint = DesiredEndpoint("prod", "delay", 3, Digest("sha256:" + "cd" * 32), reference=reference)
        references = References(
            self.folder / "references", self.shelf, self.clock, lambda: DesiredState(1, (endpoint,))
        )
        log = self.folder / "predictions"
        book = ProfileStore(self.folder / "profiles.db")
        return Profiling(book, log, None, self.join(), references, self.take, self.clock, growing_s=60, settle_s=5)

    def predict(
        self, count: int, at: float | Sequence[float], *, seed: int = 2, release: str = RELEASE, flags: int = 1
    ) -> list[str]:
        """Write predictions of one row each, as a model server does; returns their ids."""
        writer = self._writer(release)
        drawn, ids = rows(seed, count), [str(uuid.UUID(int=(seed << 64) + place)) for place in range(count)]
        times = [at] * count if isinstance(at, float) else at
        for place, name in enumerate(ids):
            features = [(float(drawn.columns["distance"][place]), drawn.columns["carrier"][place])]
            score = float(drawn.score[place])
            outputs = {"label": [int(score > 0.5)], "probability": [[1 - score, score]]}
            writer.append(encode_record(name, int(times[place] * 1e9), features, outputs, [flags, None, None, 900]))
        return ids

    def label(self, ids: Sequence[str], labels: Sequence[Any]) -> None:
        """Write labels, as a model server does."""
        header = SegmentHeader("", ENDPOINT, (), int(self.now * 1e9), kind=LABELS)
        writer = LogWriter(self.folder / "predictions" / f"labels-{ids[0]}", header, lambda: int(self.now * 1e9))
        items = [[name, label, self.now] for name, label in zip(ids, labels, strict=True)]
        writer.append(encode_record("request", int(self.now * 1e9), items))
        writer.close()
        with self.join() as join:
            join.advance()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _writer(self, release: str) -> LogWriter:
        if release not in self._writers:
            header = SegmentHeader(release, ENDPOINT, ("distance", "carrier"), int(self.now * 1e9))
            folder = self.folder / "predictions" / release.replace("@", "-")
            self._writers[release] = LogWriter(folder, header, lambda: int(self.now * 1e9))
        return self._writers[release]

    def blocks(self) -> dict[tuple[str, str, int], Mapping[str, Any]]:
        """What the control plane knows of each block: the last that it was told, with the profile told last."""
        latest_blocks: dict[tuple[str, str, int], Mapping[str, Any]] = {}
        for message in self.messages:
            for block in message["blocks"]:
                place = (block["release"], block["arm"], block["number"])
                block_fields = {name: value for name, value in block.items() if value is not None}
                latest_blocks[place] = {**latest_blocks.get(place, {}), **block_fields}
        return latest_blocks
