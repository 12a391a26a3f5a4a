"""From the columns of a table back to records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from falaj.dataplane.prediction_log.columnar.column import Plain, StoredColumn, Texts, column_of
from falaj.dataplane.prediction_log.columnar.layout import APPLIED, CALLER, FACTS, ID, OFFSET, REST, Layout
from falaj.dataplane.prediction_log.format import Raw

_unpack = msgspec.msgpack.Decoder().decode


class RowGroup:
    """A row group.

    Args:
        layout: Of its file.
        table: As it was read; the rows of a record are together.
        end: The place behind its last record.
    """

    def __init__(self, layout: Layout, table: Any, end: int) -> None:
        arrays = {name: table.column(index).combine_chunks() for index, name in enumerate(table.schema.names)}
        offsets = arrays[OFFSET].to_numpy()
        first = np.flatnonzero(np.diff(offsets, prepend=-1))  # the first table row of each record
        self._places = offsets[first]
        self._ends = np.append(self._places[1:], end)
        self._first = np.append(first, len(offsets))
        self._ids, self._at = Texts(arrays[ID]), Plain(arrays["predicted_at"].cast("int64"))
        self._row, self._facts = Plain(arrays["row"]), [Plain(arrays[name]) for name in FACTS]
        self._caller = Texts(arrays[CALLER]) if arrays[CALLER].null_count < len(offsets) else None
        self._applied = [Plain(arrays[name]) for name in APPLIED]
        self._rest = Texts(arrays[REST]) if arrays[REST].null_count < len(offsets) else None
        values = [column_of(arrays[name], kind, arrays.get(f"whole_{name}")) for name, kind in layout.columns()]
        self._features: list[StoredColumn] = values[: len(layout.features)]
        self._outputs: dict[str, StoredColumn] = dict(zip(layout.outputs, values[len(layout.features) :], strict=True))

    def number(self, place: int) -> int:
        """The number of the first record that lies at a place or behind it."""
        return int(self._places.searchsorted(place))

    def place(self, number: int) -> int:
        """Where a record lies; -1 when there is none of that number."""
        return int(self._places[number]) if number < len(self._places) else -1

    def places_of(self, rows: Sequence[int]) -> list[int]:
        """Where the records lie that some table rows belong to, each once and in order."""
        numbers = {int(self._first.searchsorted(row, "right")) - 1 for row in rows}
        return [self.place(number) for number in sorted(numbers)]

    def records(self, number: int, count: int) -> dict[int, Raw]:
        """So many records at most, from a number on, by their places."""
        first = self._first[number : number + count + 1].tolist()
        start, stop = first[0], first[-1]
        ids, at, row = (column.values(start, stop) for column in (self._ids, self._at, self._row))
        facts = list(zip(*(column.values(start, stop) for column in self._facts), strict=True))
        applied = list(zip(*(column.values(start, stop) for column in self._applied), strict=True))
        callers = self._caller.values(start, stop) if self._caller else None
        rest = self._rest.values(start, stop) if self._rest else None
        rows = self._rows(start, stop)
        outputs = {name: column.values(start, stop) for name, column in self._outputs.items()}
        raw_records: dict[int, Raw] = {}
        places = self._places[number : number + count].tolist()
        for index, end in enumerate(self._ends[number : number + count].tolist()):
            a, b = first[index] - start, first[index + 1] - start
            if rest and rest[a] is not None:
                values = tuple(_unpack(rest[a]))
            else:
                b = a if row[a] is None else b  # a record without rows
                record_facts = facts[a] if facts[a][0] is not None else None
                if record_facts is not None and callers and callers[a] is not None:
                    record_facts = (*record_facts, callers[a])
                moved = () if applied[a][0] is None else (applied[a],)
                values = (rows[a:b], {name: column[a:b] for name, column in outputs.items()}, record_facts, *moved)
            raw_records[places[index]] = ids[a], at[a], values, end
        return raw_records

    def _rows(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        if not self._features:
            return [()] * (stop - start)
        return list(zip(*(column.values(start, stop) for column in self._features), strict=True))
