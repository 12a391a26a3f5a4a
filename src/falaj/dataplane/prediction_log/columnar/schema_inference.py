"""A look at all records of a segment before they are put into columns, so that its file has one schema (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from falaj.dataplane.prediction_log.columnar.kinds import ColumnKind, KindSurvey
from falaj.dataplane.prediction_log.format import Raw, SegmentHeader, rows_of


@dataclass(frozen=True, slots=True)
class Flat:
    """A record with its features as rows.

    Args:
        request_id: The prediction id.
        at_ns: Unix time in nanoseconds.
        rows: Features, one sequence a row.
        outputs: As the record has them.
        facts: Of its routing; None when it has none.
        end: The place behind it.
        applied: What moved the answer; None when nothing did.
    """

    request_id: str
    at_ns: int
    rows: Sequence[Sequence[Any]]
    outputs: Any
    facts: Sequence[Any] | None
    end: int
    applied: Sequence[Any] | None = None


def flat(raw: Raw) -> Flat:
    """What a record holds, whichever way its features were stored."""
    request_id, at_ns, (features, outputs, *more), end = raw
    facts, applied = more[0] if more and more[0] else None, more[1] if len(more) > 1 else None
    return Flat(request_id, at_ns, rows_of(features), outputs, facts, end, applied)


def is_regular(record: Flat, features: int, outputs: Sequence[str]) -> bool:
    """Whether a record fits into a table with a row for each of its rows."""
    if any(len(row) != features for row in record.rows):
        return False
    if not isinstance(record.outputs, dict) or list(record.outputs) != list(outputs):
        return False
    return all(isinstance(values, list) and len(values) == len(record.rows) for values in record.outputs.values())


@dataclass(frozen=True)
class InferredColumn:
    """What was seen of a segment.

    Args:
        features: Kind of each feature, in the order of the header.
        outputs: Kind of each output by name, in the order of the first record.
        records: How many there are.
        end: The place behind the last one.
        newest_ns: Time of the newest one, Unix nanoseconds; 0 when there is none.
    """

    features: tuple[ColumnKind, ...]
    outputs: dict[str, ColumnKind]
    records: int
    end: int
    newest_ns: int


class SchemaSurvey:
    """Sees the records of a segment in order.

    Args:
        header: Of the segment.
        start: Place of its first record.
    """

    def __init__(self, header: SegmentHeader, start: int) -> None:
        self._features = [KindSurvey() for _ in header.features]
        self._outputs: dict[str, KindSurvey] | None = None
        self._records, self._end, self._newest_ns = 0, start, 0

    def see(self, records: Sequence[Flat]) -> None:
        """Look at some records."""
        if self._outputs is None:
            self._outputs = {name: KindSurvey() for name in _names(records[0].outputs)}
        outputs = self._outputs
        regular = [each for each in records if is_regular(each, len(self._features), list(outputs))]
        rows = [row for each in regular for row in each.rows]
        for survey, values in zip(self._features, zip(*rows, strict=True), strict=bool(rows)):
            survey.see(values)
        for name, survey in outputs.items():
            survey.see([value for each in regular for value in each.outputs[name]])
        self._records += len(records)
        self._end = records[-1].end
        self._newest_ns = max(self._newest_ns, *(each.at_ns for each in records))

    def inferred(self) -> InferredColumn:
        """What was seen."""
        outputs = {name: survey.kind() for name, survey in (self._outputs or {}).items()}
        features = tuple(survey.kind() for survey in self._features)
        return InferredColumn(features, outputs, self._records, self._end, self._newest_ns)


def _names(outputs: Any) -> list[str]:
    return list(outputs) if isinstance(outputs, dict) and all(isinstance(name, str) for name in outputs) else []


def batches(raws: Iterable[Raw], count: int, size: int, start: int) -> Iterator[list[Flat]]:
    """Records in parts of so many at most, and of about so many bytes.

    Args:
        raws: In order.
        count: Records in a part.
        size: Bytes in a part, as they were written.
        start: Place of the first record.
    """
    part: list[Flat] = []
    for raw in raws:
        part.append(flat(raw))
        if len(part) == count or part[-1].end - start >= size:
            start = part[-1].end
            yield part
            part = []
    if part:
        yield part
