"""The export: a look at what there is, then a file for each release."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from falaj.core.errors import UsageError
from falaj.dataplane.prediction_log import LabelRecord, LogKeys, PredictionRecord, tail
from falaj.dataplane.prediction_log.export.kinds import TIME, ColumnKinds
from falaj.dataplane.prediction_log.export.parquet import ParquetFile, require_parquet
from falaj.dataplane.prediction_log.export.rows import KINDS, columns

Labels = Callable[[str, Sequence[str]], Mapping[str, LabelRecord]]
"""The labels in force at an endpoint, of some prediction ids."""

_BATCH = 10_000


class ExportFolderError(UsageError):
    """The folder for an export has something in it, or cannot be made."""

    code = "predictions.export-folder"


@dataclass(frozen=True)
class ExportSelection:
    """Which predictions.

    Args:
        endpoint: `environment/model`.
        since: Unix seconds; from then on.
        until: Unix seconds; before then.
    """

    endpoint: str
    since: float
    until: float


@dataclass
class Exported:
    """What was written.

    Args:
        files: In the order of their names.
        predictions: How many.
        labelled: How many of them have a label.
    """

    files: list[Path] = field(default_factory=list)
    predictions: int = 0
    labelled: int = 0


def export_predictions(
    folder: Path,
    keys: LogKeys | None,
    labels: Labels,
    out: Path,
    selection: ExportSelection,
    provenance: Mapping[str, str],
) -> Exported:
    """Write the selected predictions of a log with their labels.

    The log is read twice: once to see of which kind each column is, so that a file has one schema, and once to write.

    Args:
        folder: The log folder.
        keys: For encrypted segments.
        labels: Finds labels.
        out: Where the files go; a new or empty folder.
        selection: Which predictions.
        provenance: What each file says of itself, such as its residency.

    Raises:
        ExportFolderError: The folder has something in it.
        MissingExtraError: Parquet cannot be written here.
    """
    require_parquet()
    _claim(out)
    kinds: dict[str, ColumnKinds] = {}
    for release, table, _ in _tables(folder, keys, labels, selection):
        column_kinds = kinds.setdefault(release, ColumnKinds())
        for name, values in table.items():
            column_kinds.see(name, values)
    exported = Exported()
    with ExitStack() as undo:
        files = {}
        for release, column_kinds in sorted(kinds.items()):
            path = out / f"{release}.parquet"
            all_kinds = {**column_kinds.kinds(), **KINDS, "labelled_at": TIME}
            files[release] = ParquetFile(
                path, all_kinds, {**provenance, "endpoint": selection.endpoint, "release": release}
            )
            undo.callback(files[release].give_up)
            exported.files.append(path)
        for release, table, ids in _tables(folder, keys, labels, selection):
            if release in files:
                files[release].write(table)
                exported.predictions += len(ids)
                exported.labelled += len(
                    {i for i, at in zip(table["prediction_id"], table["labelled_at"], strict=True) if at}
                )
        undo.pop_all()
        for file in files.values():
            file.close()
    return exported


def _tables(
    folder: Path, keys: LogKeys | None, labels: Labels, selection: ExportSelection
) -> Iterator[tuple[str, dict[str, list[Any]], Sequence[str]]]:
    """The selected predictions in bounded parts: release, columns, and ids."""
    position: dict[str, Any] = {}
    while True:
        records, position = tail(folder, position, keys, limit=_BATCH)
        if not records:
            return
        for release, chosen in _by_release(records, selection).items():
            ids = [record.request_id for record in chosen]
            yield release, columns(chosen, labels(selection.endpoint, ids)), ids


def _by_release(
    records: Sequence[PredictionRecord], selection: ExportSelection
) -> Mapping[str, list[PredictionRecord]]:
    grouped: dict[str, list[PredictionRecord]] = {}
    for record in records:
        if record.header.endpoint == selection.endpoint and selection.since <= record.at < selection.until:
            grouped.setdefault(record.header.release, []).append(record)
    return grouped


def _claim(out: Path) -> None:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        existing = next(out.iterdir(), None)
    except OSError as error:
        raise ExportFolderError(f"the folder cannot be used: {error.strerror}", where=str(out)) from error
    if existing is not None:
        raise ExportFolderError(f"there is '{existing.name}' in the folder", where=str(out), hint="name a new one")
