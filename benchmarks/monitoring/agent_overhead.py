"""What counting the prediction log costs an agent: CPU seconds per second of a core, at 1,000 predictions a second.

    python benchmarks/monitoring/agent_overhead.py [--seconds 20] [--rate 1000] [--features 20]

Predictions of numbers and categories are logged second by second; after each second the profiling of the agent looks
and reports, as it does in service, everything written to its file. Beside it, on the same log: reading alone (`tail`
and `columns_of`), which anything that looks at predictions has to do. CPU seconds are compared, since others may use
the machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from falaj.dataplane.agent.profiling import Profiling, References
from falaj.dataplane.agent.profiling.profile_store import ProfileStore
from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader, columns_of, tail
from falaj.dataplane.prediction_log.format import encode_record
from falaj.statistics.reference import MonitoringSettings, ReferenceRows, ReleaseReference, build_reference
from falaj.supply_chain.artifacts.digest import Digest

DIGEST = Digest("sha256:" + "ab" * 32)


class Shelf:
    def __init__(self, release_reference: ReleaseReference) -> None:
        self.reference = release_reference

    def fetch(self, _digest: Digest, target: Path) -> Path:
        self.reference.write(target)
        return target


def columns(rng: np.random.Generator, rows: int, features: int) -> dict[str, Any]:
    levels = np.array([f"level-{place}" for place in range(12)], dtype=object)
    return {
        f"x{place}": levels[rng.integers(0, 12, rows)] if place % 5 == 4 else rng.normal(place, 1 + place, rows)
        for place in range(features)
    }


def reference(features: int) -> ReleaseReference:
    rng = np.random.default_rng(1)
    score = rng.uniform(0.05, 0.95, 20_000)
    label = (rng.random(20_000) < score).astype(float)
    rows = ReferenceRows(columns(rng, 20_000, features), True, label, score, probabilities=True)
    return build_reference([rows], MonitoringSettings(), salt=b"salt")


def log(folder: Path, rate: int, features: int, second: int, writers: dict[str, LogWriter]) -> None:
    feature_values = columns(np.random.default_rng(second), rate, features)
    names = tuple(feature_values)
    if "log" not in writers:
        header = SegmentHeader("delay@1", "prod/delay", names, time.time_ns())
        writers["log"] = LogWriter(folder, header, time.time_ns)
    rows = list(zip(*(values.tolist() for values in feature_values.values()), strict=True))
    for place, row in enumerate(rows):
        name = str(uuid.UUID(int=(second << 64) + place))
        outputs = {"label": [1], "probability": [[0.25, 0.75]]}
        writers["log"].append(encode_record(name, time.time_ns(), [row], outputs, [1, None, None, 900]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--features", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        endpoint = DesiredEndpoint("prod", "delay", 1, DIGEST, reference=DIGEST)
        references = References(
            folder / "references", Shelf(reference(options.features)), time.time, lambda: DesiredState(1, (endpoint,))
        )
        message_sizes: list[int] = []
        profiling = Profiling(
            ProfileStore(folder / "profiles.db"), folder / "log", None, None, references,
            lambda message: message_sizes.append(len(json.dumps(message))), growing_s=10,
        )  # fmt: skip
        writers: dict[str, LogWriter] = {}
        counting, reading, position = 0.0, 0.0, {}
        for second in range(options.seconds + 1):
            log(folder / "log" / "replica", options.rate, options.features, second, writers)
            started = time.process_time()
            profiling.look()
            profiling.report()
            middle = time.process_time()
            records, position = tail(folder / "log", position)
            columns_of(records)
            if second:  # the first look opens the reference
                counting += middle - started
                reading += time.process_time() - middle
        share, alone = counting / options.seconds, reading / options.seconds
        print(
            f"{options.rate} predictions/s of {options.features} features: {share:.1%} of a core, {alone:.1%} to "
            "read them"
        )
        print(f"ratio of counting to reading alone: {share / alone:.2f}")
        print(
            f"bytes sent a report of one open block: {max(message_sizes, default=0)}; rows logged: "
            f"{options.rate * options.seconds}"
        )


if __name__ == "__main__":
    main()
