"""Arrays of answers and labels in a sealed file in memory: numbers and texts of fixed size, never objects."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from falaj.control.notary.errors import DoesNotRecomputeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from falaj.control.notary.attestation import ScoredTable

MAX_BYTES = 4 << 30
_KINDS = frozenset("biufU")
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_ALIGNMENT = 64


class ArrayPlace(msgspec.Struct, frozen=True):
    """Where an array lies in the file.

    Args:
        kind: Its type as numpy writes it, such as `<f8`.
        shape: Its extents.
        at: First byte.
    """

    kind: str
    shape: tuple[int, ...]
    at: int


class TableLayout(msgspec.Struct, frozen=True):
    """The arrays of one scored table.

    Args:
        label: One label a row.
        scores: By model.
        slices: By column.
    """

    label: ArrayPlace
    scores: dict[str, ArrayPlace]
    slices: dict[str, ArrayPlace]


@contextmanager
def packed(tables: Mapping[str, ScoredTable]) -> Iterator[tuple[dict[str, TableLayout], int]]:
    """Tables as a layout and the descriptor of a file that nobody can change any more."""
    import numpy as np

    descriptor = os.memfd_create("scores", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        place = 0

        def put(array: NDArray[Any]) -> ArrayPlace:
            nonlocal place
            plain, at = np.ascontiguousarray(array), -(-place // _ALIGNMENT) * _ALIGNMENT
            if plain.dtype.kind not in _KINDS:
                raise DoesNotRecomputeError(f"arrays hold numbers or texts, not {plain.dtype}")
            view, written = plain.reshape(-1).view(np.uint8).data if plain.size else memoryview(b""), 0
            while written < len(view):
                written += os.pwrite(descriptor, view[written : written + (1 << 26)], at + written)
            place = at + len(view)
            return ArrayPlace(plain.dtype.str, plain.shape, at)

        layout = {
            name: TableLayout(
                put(table.label),
                {model: put(each) for model, each in table.scores.items()},
                {column: put(each) for column, each in table.slices.items()},
            )
            for name, table in tables.items()
        }
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
        yield layout, descriptor
    finally:
        os.close(descriptor)


def unpacked(layout: Mapping[str, TableLayout], descriptor: int | None) -> dict[str, ScoredTable]:
    """The tables that a layout names.

    Raises:
        DoesNotRecomputeError: The file is none that stays as it is, is too large, or an array is not in it.
    """
    from falaj.control.notary.attestation import ScoredTable

    if not layout:
        return {}
    content = _content(descriptor)
    return {
        name: ScoredTable(
            _array(table.label, content),
            {model: _array(each, content) for model, each in table.scores.items()},
            {column: _array(each, content) for column, each in table.slices.items()},
        )
        for name, table in layout.items()
    }


def _content(descriptor: int | None) -> memoryview:
    if descriptor is None:
        raise DoesNotRecomputeError("the scores of the gates are missing")
    size = os.fstat(descriptor).st_size
    if size > MAX_BYTES:
        raise DoesNotRecomputeError(f"the scores of the gates have {size} bytes, at most {MAX_BYTES} are recomputed")
    try:
        sealed = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS == _SEALS
    except OSError:
        sealed = False
    if not sealed:
        raise DoesNotRecomputeError("the scores of the gates could still be changed")
    return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ)) if size else memoryview(b"")


def _array(place: ArrayPlace, content: memoryview) -> NDArray[Any]:
    import numpy as np

    try:
        kind = np.dtype(place.kind)
        if kind.kind not in _KINDS or any(extent < 0 for extent in place.shape) or place.at < 0:
            raise ValueError("its type or place")
        count = int(np.prod(place.shape, dtype=np.int64)) if place.shape else 1
        array = np.frombuffer(content, kind, count, place.at) if count else np.empty(0, kind)
        return array.reshape(place.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise DoesNotRecomputeError(f"an array of the scores cannot be read: {error}") from error
