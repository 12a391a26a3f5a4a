"""Reading the parts of a table with Arrow, each as Parquet or CSV gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.dataplane.scoring.csv_faults import FALSE, NULLS, TRUE, csv_fault
from falaj.dataplane.scoring.errors import ScoringInputError
from falaj.dataplane.scoring.records import CsvLayout, RowBatch, ScoringJob
from falaj.models.signature import ModelFeature

PURPOSE = "scoring a file"
_BUFFER_BYTES = 1 << 20


class PartReader(Protocol):
    """Reads parts of one table, in ascending order."""

    def read(self, part: RowBatch) -> Any:
        """The rows of a part as an Arrow table with the named columns."""


def open_reader(job: ScoringJob, features: Mapping[str, ModelFeature]) -> PartReader:
    """What reads the table of a job.

    Args:
        job: Names the table and the columns to keep.
        features: The model's columns by name.
    """
    names = [*dict.fromkeys((*features, *job.keep))]
    if job.csv is not None:
        return _CsvReader(Path(job.input), job.csv, names, features)
    return _ParquetReader(Path(job.input), names)


def open_parquet(path: Path, buffer_bytes: int = 0) -> Any:
    """Open a Parquet file; whichever process is the first to read one that is none says the same of it.

    Raises:
        ScoringInputError: It is none.
    """
    arrow, parquet = arrow_and_parquet(PURPOSE)
    try:
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=buffer_bytes)
    except (arrow.ArrowInvalid, OSError) as error:
        message = f"it cannot be read as Parquet: {str(error).splitlines()[0]}"
        raise ScoringInputError(message, where=str(path), hint="a CSV file ends with .csv") from error


class _ParquetReader:
    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._arrow, _ = arrow_and_parquet(PURPOSE)
        self._names = list(names)
        self._file = open_parquet(path, _BUFFER_BYTES)
        self._group = self._place = -1
        self._batches: Iterator[Any] = iter(())
        self._rest: Any = None

    def read(self, part: RowBatch) -> Any:
        if part.group != self._group or part.offset < self._place:
            self._open(part)
        self._take(part.offset - self._place)
        return self._arrow.Table.from_batches(self._take(part.rows))

    def _open(self, part: RowBatch) -> None:
        self._group, self._place, self._rest = part.group, 0, None
        self._batches = self._file.iter_batches(
            batch_size=16_384, row_groups=[part.group], columns=self._names, use_threads=False
        )

    def _take(self, rows: int) -> list[Any]:
        """The next rows of the group."""
        chunks = []
        while rows:
            batch = self._rest if self._rest is not None else next(self._batches)
            here = batch.slice(0, rows)
            self._rest = batch.slice(rows) if batch.num_rows > rows else None
            rows -= here.num_rows
            self._place += here.num_rows
            chunks.append(here)
        return chunks


class _CsvReader:
    def __init__(self, path: Path, layout: CsvLayout, names: list[str], features: Mapping[str, ModelFeature]) -> None:
        from pyarrow import csv

        self._arrow, _ = arrow_and_parquet(PURPOSE)
        self._csv, self._path, self._layout, self._names, self._features = csv, path, layout, names, features
        self._file = self._arrow.OSFile(str(path))  # into memory of Arrow, which its threads can let go of at the end
        self._parse = csv.ParseOptions(delimiter=layout.separator, newlines_in_values=layout.quoted)

    def read(self, part: RowBatch) -> Any:
        self._file.seek(part.start)
        data = self._file.read_buffer(part.end - part.start)
        try:
            table = self._table(data, whole="int64")
        except self._arrow.ArrowInvalid:
            table = self._second_try(data, part)
        if table.num_rows != part.rows:
            raise self._fault(part, "a quote stands in the middle of a field")
        return table

    def _second_try(self, data: Any, part: RowBatch) -> Any:
        """Whole numbers may be written as `3.0`."""
        try:
            return self._table(data, whole="float64")
        except self._arrow.ArrowInvalid as error:
            raise self._fault(part, str(error).splitlines()[0]) from error

    def _fault(self, part: RowBatch, otherwise: str) -> ScoringInputError:
        fault = csv_fault(self._path, self._layout, part, self._features)
        rows = f"rows {part.first_row + 1} to {part.first_row + part.rows}"
        return fault or ScoringInputError(f"{rows}: {otherwise}", where=str(self._path))

    def _table(self, data: Any, whole: str) -> Any:
        return self._csv.read_csv(
            self._arrow.BufferReader(data),
            read_options=self._csv.ReadOptions(
                column_names=list(self._layout.header), use_threads=False, block_size=max(data.size + 1, 1024)
            ),
            parse_options=self._parse,
            convert_options=self._csv.ConvertOptions(
                include_columns=self._names, column_types=dict(self._types(whole)), null_values=list(NULLS),
                strings_can_be_null=True, true_values=list(TRUE), false_values=list(FALSE),
            ),
        )  # fmt: skip

    def _types(self, whole: str) -> Iterable[tuple[str, Any]]:
        text = self._arrow.string()
        for name in self._names:
            feature = self._features.get(name)
            if feature is None:
                yield name, text
            elif feature.kind == "string":
                yield name, self._arrow.dictionary(self._arrow.int32(), text)
            elif feature.kind == "boolean":
                yield name, self._arrow.bool_()
            else:
                yield name, self._arrow.type_for_alias(whole if feature.whole else "float64")
