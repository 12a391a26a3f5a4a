"""The plan of a scoring: what is read, in which parts. What is wrong with the columns of a table is seen here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from falaj.dataplane.scoring.errors import ScoringInputError
from falaj.dataplane.scoring.features import type_problem
from falaj.dataplane.scoring.prediction_ids import MAX_ROWS
from falaj.dataplane.scoring.reading import open_parquet
from falaj.dataplane.scoring.records import Plan, RowBatch, ScoringJob
from falaj.models.model_folder import read_model_folder
from falaj.models.signature import ModelFeature

_GROUPS_A_PROCESS = 2
"""With so many row groups for each process, a group is read by one of them alone."""


def make_plan(job: ScoringJob, processes: int) -> Plan:
    """Look at the table and plan how it is scored.

    Raises:
        ScoringInputError: A column is missing, there twice, or of a type that the model does not read.
    """
    features = _features(job)
    if job.csv is not None:
        _check_names(job, job.csv.header, features)
        parts = [*_csv_parts(job)]
        lots: list[tuple[int, ...]] = [(part.number,) for part in parts]
    else:
        file = open_parquet(Path(job.input))
        _check_names(job, file.schema_arrow.names, features)
        _check_types(job, file.schema_arrow, features)
        groups = [file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)]
        parts = [*_parquet_parts(groups, job.part_rows)]
        lots = lots_of(parts, len(groups), processes)
    rows = sum(part.rows for part in parts)
    if not rows:
        raise ScoringInputError("the table has no rows", where=job.input)
    if rows > MAX_ROWS:
        raise ScoringInputError("the table has too many rows", where=job.input)
    return Plan(rows, tuple(parts), tuple(lots), sample_every(rows, job.sampled_rows))


def sample_every(rows: int, most: int) -> int:
    """How far apart the logged rows are; all of them where there are few, 0 where none is wanted."""
    return math.ceil(rows / most) if most else 0


def lots_of(parts: Sequence[RowBatch], groups: int, processes: int) -> list[tuple[int, ...]]:
    """What one process does after another: a row group, or a part where there are too few groups to go round."""
    if groups < _GROUPS_A_PROCESS * processes:
        return [(part.number,) for part in parts]
    return [tuple(part.number for part in group) for _, group in groupby(parts, key=lambda part: part.group)]


def _features(job: ScoringJob) -> dict[str, ModelFeature]:
    signature = read_model_folder(Path(job.model)).signature
    if not signature.columns:
        raise ScoringInputError(
            f"{job.release} takes tensors, which a table does not hold", hint="send them to its endpoint"
        )
    return {feature.name: feature for feature in signature.features}


def _csv_parts(job: ScoringJob) -> Iterator[RowBatch]:
    row = 0
    for number, span in enumerate(job.csv.spans if job.csv else ()):
        yield RowBatch(number, row, span.rows, start=span.start, end=span.end)
        row += span.rows


def _parquet_parts(groups: Iterable[int], part_rows: int) -> Iterator[RowBatch]:
    number = row = 0
    for group, rows in enumerate(groups):
        for offset in range(0, rows, part_rows):
            count = min(part_rows, rows - offset)
            yield RowBatch(number, row, count, group=group, offset=offset)
            number, row = number + 1, row + count


def _check_names(job: ScoringJob, names: Sequence[str], features: Mapping[str, ModelFeature]) -> None:
    missing = [name for name in (*features, *job.keep) if name not in names]
    if missing:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        word = "column" if len(missing) == 1 else "columns"
        message = f"{word} {', '.join(map(repr, missing[:5]))} missing" + (" and more" if len(missing) > 5 else "")
        raise ScoringInputError(message, where=job.input, hint=f"it has {shown}")
    twice = next((name for name in (*features, *job.keep) if [*names].count(name) > 1), None)
    if twice is not None:
        raise ScoringInputError(f"column {twice!r} is there twice", where=job.input)


def _check_types(job: ScoringJob, schema: Any, features: Mapping[str, ModelFeature]) -> None:
    for name, feature in features.items():
        if problem := type_problem(feature, schema.field(name).type):
            raise ScoringInputError(f"column {name!r}: {problem}", where=job.input)
