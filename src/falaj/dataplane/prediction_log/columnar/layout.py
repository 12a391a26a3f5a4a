"""The schema of a segment in columns: which columns there are, and what its file says of itself.

    one table row for each row of each prediction, those of a prediction together and in order:
    prediction_id, row, predicted_at, endpoint, release, arm     for who reads the file
    flags, weight_e4, unit, latency_us, caller                   facts of the routing, as a record has them
    recalibration_version, recalibration_offset                  what moved the answer, from output_bare_*
    offset                                                       the place of the record in the segment as written
    rest                                                         the whole record where columns do not hold it exactly
    feature_*, output_*                                          as the columns of an export; of MIXED ones the JSON
    whole_feature_*, whole_output_*                              of EITHER ones: whether the number was written whole

A prediction without rows has one table row whose `row` is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from falaj.core.errors import MissingExtraError
from falaj.dataplane.prediction_log.columnar.kinds import ColumnKind
from falaj.dataplane.prediction_log.columnar.schema_inference import InferredColumn
from falaj.dataplane.prediction_log.format import LogFormatError, SegmentHeader

FACTS, CALLER = ("flags", "weight_e4", "unit", "latency_us"), "caller"
APPLIED = ("recalibration_version", "recalibration_offset")
OFFSET, REST, ID = "offset", "rest", "prediction_id"
_FORM = 1
_SORTED = ("predicted_at", OFFSET)


@dataclass(frozen=True)
class Layout:
    """What the readers of a file need to know.

    Args:
        header: Of the segment as it was written.
        start: Place of its first record.
        end: The place behind its last record.
        records: How many there are.
        newest_ns: Time of the newest one, Unix nanoseconds.
        features: Kind of each feature.
        outputs: Kind of each output.
        form: Of the file.
    """

    header: SegmentHeader
    start: int
    end: int
    records: int
    newest_ns: int
    features: tuple[ColumnKind, ...]
    outputs: dict[str, ColumnKind]
    form: int = _FORM

    @classmethod
    def of(cls, header: SegmentHeader, start: int, inferred_column: InferredColumn) -> Layout:
        """The layout of a segment that was looked at."""
        return cls(
            header,
            start,
            inferred_column.end,
            inferred_column.records,
            inferred_column.newest_ns,
            inferred_column.features,
            inferred_column.outputs,
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes]) -> Layout:
        """Read what `schema` wrote.

        Raises:
            LogFormatError: It is not there, or of another form.
        """
        text = metadata.get(b"falaj.layout")
        if text is None:
            raise LogFormatError("the Parquet file is not a segment of a prediction log")
        if metadata.get(b"falaj.layout_crc") != _crc(text):
            raise LogFormatError("the segment's header is damaged")
        layout = msgspec.json.decode(text, type=cls)
        if layout.form != _FORM:
            raise LogFormatError(f"the segment's columns have the form {layout.form}, and {_FORM} is read here")
        return layout

    def columns(self) -> Iterator[tuple[str, ColumnKind]]:
        """Name and kind of the columns of features and outputs."""
        yield from zip((f"feature_{name}" for name in self.header.features), self.features, strict=True)
        yield from ((f"output_{name}", kind) for name, kind in self.outputs.items())

    def schema(self, provenance: Mapping[str, str]) -> Any:
        """The Arrow schema.

        Args:
            provenance: What else the file says of itself, such as its residency.
        """
        arrow, _ = arrow_and_parquet()
        types = {
            ColumnKind.NOTHING: arrow.float64(), ColumnKind.BOOLEAN: arrow.bool_(), ColumnKind.WHOLE: arrow.int64(),
            ColumnKind.NUMBER: arrow.float64(), ColumnKind.EITHER: arrow.float64(), ColumnKind.TEXT: arrow.string(),
            ColumnKind.NUMBERS: arrow.list_(arrow.float64()), ColumnKind.WHOLES: arrow.list_(arrow.int64()),
            ColumnKind.MIXED: arrow.string(),
        }  # fmt: skip
        fields = list(_fixed(arrow))
        for name, kind in self.columns():
            fields.append((name, types[kind]))
            if kind is ColumnKind.EITHER:
                fields.append((f"whole_{name}", arrow.bool_()))
        segment_facts = {**provenance, "endpoint": self.header.endpoint, "release": self.header.release}
        metadata = {f"falaj.{name}": text for name, text in segment_facts.items()}
        text = msgspec.json.encode(self)
        return arrow.schema(fields, metadata={**metadata, "falaj.layout": text, "falaj.layout_crc": _crc(text)})


def _crc(text: bytes) -> bytes:
    """Parquet has checksums of its pages, and none of what a file says of itself."""
    return b"%08x" % zlib.crc32(text)


def _fixed(arrow: Any) -> Iterator[tuple[str, Any]]:
    text = arrow.string()
    yield from ((ID, text), ("row", arrow.int32()), ("predicted_at", arrow.timestamp("ns", tz="UTC")))
    yield from (("endpoint", text), ("release", text), ("arm", text))
    yield from zip(FACTS, (arrow.int64(), arrow.int64(), arrow.uint64(), arrow.int64()), strict=True)
    yield CALLER, arrow.string()
    yield from zip(APPLIED, (arrow.int64(), arrow.float64()), strict=True)
    yield from ((OFFSET, arrow.int64()), (REST, arrow.binary()))


def encodings(schema: Any) -> dict[str, Any]:
    """How the columns are encoded: numbers that grow as their differences, and no dictionary of what never repeats."""
    plain = {ID, *_SORTED}
    return {
        "use_dictionary": [name for name in schema.names if name not in plain],
        "column_encoding": dict.fromkeys(_SORTED, "DELTA_BINARY_PACKED"),
    }


def arrow_and_parquet(purpose: str = "the prediction log in columns") -> tuple[Any, Any]:
    """`pyarrow` and its Parquet module.

    Args:
        purpose: What they are needed for, as an error says it.

    Raises:
        MissingExtraError: They are not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("parquet", purpose) from error
    return pyarrow, parquet
