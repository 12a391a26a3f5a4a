"""What a step records with MLflow: into a folder of its own, since it reaches neither database nor server.

MLflow's file store keeps one file a parameter, tag and metric. A run is laid out before the step starts, under the id
that the run has in the tracker, so that `mlflow.log_*` and `mlflow.autolog` continue it; what they wrote is read here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUN_ID = "MLFLOW_RUN_ID"
UNTRACKED = "untracked"
"""The run that a step records to where nothing is tracked: else MLflow would look for a database of its own."""
MOST_FILES = 10_000
MOST_BYTES = 4 << 20
"""Of one file of metrics; a step that writes more records something else."""
_EXPERIMENT = "0"


@dataclass(frozen=True)
class TrackedMetric:
    """One value of a metric.

    Args:
        name: Its name.
        value: The value.
        at_ms: Milliseconds since the epoch.
        step: Position in the course of the training.
    """

    name: str
    value: float
    at_ms: int
    step: int


@dataclass(frozen=True)
class Recorded:
    """What a step recorded.

    Args:
        params: By name.
        tags: By name.
        metrics: Every value.
        artifacts: A folder of files, none of them a link; None when there are none.
    """

    params: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[TrackedMetric, ...]
    artifacts: Path | None

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.params or self.tags or self.metrics or self.artifacts)


def lay_out(folder: Path, run_id: str) -> dict[str, str]:
    """Make the folder of a run, and return the variables that lead MLflow to it."""
    now = int(time.time() * 1000)
    run = folder / _EXPERIMENT / run_id
    for name in ("artifacts", "metrics", "params", "tags"):
        (run / name).mkdir(parents=True)
    (folder / _EXPERIMENT / "meta.yaml").write_text(
        f"artifact_location: {(folder / _EXPERIMENT).as_uri()}\ncreation_time: {now}\n"
        f"experiment_id: '{_EXPERIMENT}'\nlast_update_time: {now}\nlifecycle_stage: active\nname: Default\n"
    )
    (run / "meta.yaml").write_text(
        f"artifact_uri: {(run / 'artifacts').as_uri()}\nend_time: null\nentry_point_name: ''\n"
        f"experiment_id: '{_EXPERIMENT}'\nlifecycle_stage: active\nrun_id: {run_id}\nrun_name: {run_id}\n"
        f"run_uuid: {run_id}\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {now}\nstatus: 1\n"
        "tags: []\nuser_id: falaj\n"
    )
    return {"MLFLOW_TRACKING_URI": folder.as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true", RUN_ID: run_id}


def read(folder: Path, run_id: str) -> Recorded:
    """What was recorded in a folder; files that are no records are left out, and links are not followed."""
    run = folder / _EXPERIMENT / run_id
    if run.is_symlink() or run.parent.is_symlink() or folder.is_symlink():
        return Recorded({}, {}, (), None)
    artifacts = run / "artifacts"
    return Recorded(
        dict(_texts(run / "params")),
        {name: text for name, text in _texts(run / "tags") if not name.startswith("mlflow.")},
        tuple(value for name, text in _texts(run / "metrics") for value in _values(name, text)),
        artifacts if _only_files(artifacts) else None,
    )


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in _files(folder):
        if path.stat().st_size <= MOST_BYTES:
            yield path.relative_to(folder).as_posix(), path.read_text(errors="replace").rstrip("\n")


def _values(name: str, text: str) -> Iterator[TrackedMetric]:
    for line in text.splitlines():
        parts = line.split(" ")
        try:
            yield TrackedMetric(name, float(parts[1]), int(parts[0]), int(parts[2]) if len(parts) > 2 else 0)
        except (ValueError, IndexError):
            continue


def _only_files(folder: Path) -> bool:
    """Whether a folder holds files, and nothing that leads out of it."""
    entries = [Path(place, name) for place, below, files in os.walk(folder) for name in (*below, *files)]
    plain = not folder.is_symlink() and all(not each.is_symlink() for each in entries)
    return plain and any(each.is_file() for each in entries)


def _files(folder: Path) -> list[Path]:
    if folder.is_symlink():
        return []
    file_paths = [Path(place, name) for place, _, files in os.walk(folder) for name in files]
    return sorted(path for path in file_paths if path.is_file() and not path.is_symlink())[:MOST_FILES]
