"""From records to the columns of a table (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from falaj.dataplane.prediction_log.columnar.kinds import ColumnKind
from falaj.dataplane.prediction_log.columnar.layout import APPLIED, CALLER, FACTS, ID, OFFSET, REST, Layout
from falaj.dataplane.prediction_log.columnar.schema_inference import Flat, is_regular
from falaj.dataplane.prediction_log.routing import routing_of

_UINT64 = 2**64
_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


def columns_of(layout: Layout, records: Sequence[Flat], place: int) -> dict[str, list[Any]]:
    """The table of some records.

    Args:
        layout: Of their file.
        records: One behind the other.
        place: Where the first one lies.
    """
    regular = [is_regular(each, len(layout.features), list(layout.outputs)) for each in records]
    table = _facts(layout, records, place, regular)
    inexact = [
        not (fits and _plain_facts(each.facts) and _plain_applied(each.applied))
        for each, fits in zip(records, regular, strict=True)
    ]
    for name, kind, values in _values(layout, records, regular):
        if kind is ColumnKind.MIXED:
            table[name], lost = _as_json(values)
            _mark(inexact, lost, table)
        else:
            table[name] = list(values)
        if kind is ColumnKind.EITHER:
            table[name] = [None if value is None else float(value) for value in values]
            table[f"whole_{name}"] = [None if value is None else type(value) is int for value in values]
    table[REST] = _rest(records, inexact, table["row"])
    return table


def _facts(layout: Layout, records: Sequence[Flat], place: int, regular: Sequence[bool]) -> dict[str, list[Any]]:
    """What is the same for all rows of a record."""
    header = layout.header
    names = (ID, "row", "predicted_at", "endpoint", "release", "arm", *FACTS, CALLER, *APPLIED, OFFSET)
    fact_columns: dict[str, list[Any]] = {name: [] for name in names}
    for record, fits in zip(records, regular, strict=True):
        record_facts = record.facts if record.facts is not None and _plain_facts(record.facts) else ()
        facts = (*record_facts, *(None,) * (len(FACTS) + 1 - len(record_facts)))
        arm = routing_of(record_facts).arm if record_facts else None
        plain = record.applied is not None and _plain_applied(record.applied)
        applied = record.applied if record.applied is not None and plain else (None,) * len(APPLIED)
        values = (record.request_id, record.at_ns, header.endpoint, header.release, arm, *facts, *applied, place)
        count = len(record.rows) if fits else 0
        fact_columns["row"] += range(count) if count else [None]
        for name, value in zip((ID, *names[2:]), values, strict=True):
            fact_columns[name] += [value] * (count or 1)
        place = record.end
    return fact_columns


def _plain_facts(facts: Sequence[Any] | None) -> bool:
    """Whether the columns of facts hold them."""
    if facts is None:
        return True
    caller = facts[len(FACTS) :]
    if len(facts) < len(FACTS) or type(facts[0]) is not int or (caller and [*map(type, caller)] != [str]):
        return False
    numbers = all(value is None or (type(value) is int and 0 <= value < _UINT64) for value in facts[: len(FACTS)])
    return numbers and all(value is None or value < _UINT64 // 2 for value in (facts[0], facts[1], facts[3]))


def _plain_applied(applied: Sequence[Any] | None) -> bool:
    """Whether the columns of what moved an answer hold it."""
    if applied is None:
        return True
    kinds = [type(value) for value in applied]
    return kinds == [int, float] and 0 <= applied[0] < _UINT64 // 2


def _values(
    layout: Layout, records: Sequence[Flat], regular: Sequence[bool]
) -> Iterator[tuple[str, ColumnKind, Sequence[Any]]]:
    """The columns of features and outputs; a record that does not fit has one row without values."""
    blank = (None,) * len(layout.features)
    fitting = [each if fits else None for each, fits in zip(records, regular, strict=True)]
    rows = [row for each in fitting for row in ((each.rows if each else None) or [blank])]
    names = list(layout.columns())
    features = names[: len(layout.features)]
    for (name, kind), column in zip(features, zip(*rows, strict=True), strict=True):
        yield name, kind, column
    for (name, kind), output in zip(names[len(features) :], layout.outputs, strict=True):
        yield name, kind, [value for each in fitting for value in ((each.outputs[output] if each else None) or [None])]


def _as_json(values: Sequence[Any]) -> tuple[list[str | None], list[int]]:
    """Values as JSON, and the numbers of those that it does not hold exactly."""
    texts = [None if value is None else _json(value).decode() for value in values]
    return texts, [i for i, text in enumerate(texts) if text is not None and not _same(_from_json(text), values[i])]


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same and of the same types."""
    return _pack(one) == _pack(other)


def _mark(inexact: list[bool], lost: Sequence[int], table: Mapping[str, list[Any]]) -> None:
    """Mark the records to which table rows belong."""
    if lost:
        numbers = _record_numbers(table["row"])
        for row in lost:
            inexact[numbers[row]] = True


def _record_numbers(rows: Sequence[int | None]) -> list[int]:
    """The number of the record of each table row; each record begins with row 0, or with none."""
    numbers, number = [], -1
    for row in rows:
        number += not row
        numbers.append(number)
    return numbers


def _rest(records: Sequence[Flat], inexact: Sequence[bool], rows: Sequence[int | None]) -> list[bytes | None]:
    """For the first row of each record that columns do not hold, the record."""
    if not any(inexact):
        return [None] * len(rows)
    packed = [_pack(_whole(each)) if lost else None for each, lost in zip(records, inexact, strict=True)]
    return [None if row else packed[number] for row, number in zip(rows, _record_numbers(rows), strict=True)]


def _whole(record: Flat) -> tuple[Any, ...]:
    """The values of a record."""
    values = (record.rows, record.outputs, record.facts)
    return values if record.applied is None else (*values, record.applied)
