"""One process that scores: takes a lot, reads its parts, asks the model, writes the answers of each part at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.dataplane.scoring.csv_faults import line_of_row
from falaj.dataplane.scoring.errors import ScoringFailedError, ScoringInputError
from falaj.dataplane.scoring.features import compile_features, plain_rows
from falaj.dataplane.scoring.outputs import Outputs, answered, arrow_column, logged, offset_of, recalibrated
from falaj.dataplane.scoring.prediction_ids import id_prefix, prediction_id
from falaj.dataplane.scoring.reading import PURPOSE, open_reader
from falaj.dataplane.scoring.records import (
    CLAIMS,
    PARTS,
    PLAN,
    Plan,
    RowBatch,
    SampledRow,
    ScoringJob,
    part_name,
    sample_name,
)
from falaj.models.backends import Backend, open_backend
from falaj.models.errors import InvalidInputError
from falaj.models.model_folder import read_model_folder
from falaj.models.tables import Array

BATCH_ROWS = 16_384
"""Rows of one call of the model: enough that calls cost nothing, few enough to stay in the caches."""
_LOOK_S = 0.02


def score_lots(job: ScoringJob, folder: Path) -> None:
    """Score until nothing is left to take.

    Args:
        job: What is scored by what.
        folder: Of the scoring.
    """
    scorer = Scorer(job, folder)
    plan = wait_for_plan(folder)
    for number, lot in enumerate(plan.lots):
        if _claim(folder / CLAIMS / f"{number:08d}"):
            for part in lot:
                scorer.score(plan.parts[part], plan.sample_every)


def wait_for_plan(folder: Path) -> Plan:
    """The plan, which another process writes while this one loads its libraries."""
    while not (folder / PLAN).exists():
        time.sleep(_LOOK_S)
    return msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)


def _claim(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


class Scorer:
    """A loaded model and the table that it is asked about.

    Args:
        job: What is scored by what.
        folder: Of the scoring.
    """

    def __init__(self, job: ScoringJob, folder: Path) -> None:
        self._job, self._folder = job, folder
        self._model = read_model_folder(Path(job.model))
        self._backend: Backend = open_backend(self._model, 1)
        signature = self._model.signature
        self._arrays_of = compile_features(signature)
        self._reader = open_reader(job, {feature.name: feature for feature in signature.features})
        self._offset = offset_of(job.recalibration)
        self._prefix = id_prefix(job.digest, job.release)

    def score(self, part: RowBatch, sample_every: int) -> None:
        """Score a part, unless that was done."""
        target = self._folder / PARTS / part_name(part.number)
        if target.exists():
            return
        batches: list[Any] = []
        samples: list[SampledRow] = []
        table = self._reader.read(part)
        for start in range(0, part.rows, BATCH_ROWS):
            rows = table.slice(start, BATCH_ROWS)
            columns = self._columns(rows, part, start)
            outputs, bare = recalibrated(self._predict(columns, part.first_row + start), self._offset)
            batches.append(self._batch(rows, outputs))
            samples += self._sampled(columns, outputs, bare, part.first_row + start, sample_every)
        if samples:
            _write(target.with_name(sample_name(part.number)), msgspec.msgpack.encode(samples))
        _write_arrow(target, batches)

    def _columns(self, rows: Any, part: RowBatch, start: int) -> list[Array]:
        try:
            return self._arrays_of(rows)
        except InvalidInputError as error:
            raise self._refused(error, part, start) from error

    def _refused(self, error: InvalidInputError, part: RowBatch, start: int) -> ScoringInputError:
        message = error.message.removeprefix(f"row {error.row}, ")
        row, path = start + (error.row or 0), Path(self._job.input)
        if self._job.csv is not None:
            return ScoringInputError(message, where=f"{path}:{line_of_row(path, self._job.csv, part, row)}")
        return ScoringInputError(f"row {part.first_row + row + 1}, {message}", where=str(path))

    def _predict(self, columns: list[Array], first_row: int) -> Outputs:
        try:
            outputs = self._backend.predict(columns)
        except Exception as error:  # whatever the model's library raises
            line = (str(error).splitlines() or [""])[0][:300]
            rows = f"rows {first_row + 1} to {first_row + len(columns[0])}"
            raise ScoringFailedError(f"the model failed on {rows}: {type(error).__name__}: {line}") from error
        if any(len(values) != len(columns[0]) for values in outputs.values()):
            raise ScoringFailedError("the model does not answer with one value a row, so that it cannot score a file")
        return outputs

    def _batch(self, rows: Any, outputs: Outputs) -> Any:
        arrow = arrow_and_parquet(PURPOSE)[0]
        input_columns = {name: _plain_column(rows.column(name)) for name in self._job.keep}
        answer_columns = answered(outputs, self._model.answer)
        return arrow.table({**input_columns, **{name: arrow_column(values) for name, values in answer_columns.items()}})

    def _sampled(
        self, columns: list[Array], outputs: Outputs, bare: Outputs, first_row: int, every: int
    ) -> Iterator[SampledRow]:
        if not every:
            return
        picked = [*range(-first_row % every, len(columns[0]), every)]
        if not picked:
            return
        values = zip(plain_rows(columns, picked), logged(outputs, picked), logged(bare, picked), strict=True)
        for row, (features, answer, unmoved) in zip(picked, values, strict=True):
            yield SampledRow(prediction_id(self._prefix, first_row + row), features, answer, unmoved)


def _plain_column(column: Any) -> Any:
    """A column that is kept, without the dictionary that differs from part to part."""
    types = arrow_and_parquet()[0].types
    return column.cast(column.type.value_type) if types.is_dictionary(column.type) else column


def _write(path: Path, data: bytes) -> None:
    unready = path.with_name(f".{path.name}.{os.getpid()}")
    unready.write_bytes(data)
    unready.replace(path)


def _write_arrow(path: Path, tables: list[Any]) -> None:
    """Write the answers of a part; the file is there when it is whole."""
    arrow = arrow_and_parquet(PURPOSE)[0]
    from pyarrow import ipc

    unready = path.with_name(f".{path.name}.{os.getpid()}")
    whole = arrow.concat_tables(tables)
    options = ipc.IpcWriteOptions(compression="lz4")
    with ipc.new_file(str(unready), whole.schema, options=options) as writer:
        writer.write_table(whole.combine_chunks())
    unready.replace(path)
