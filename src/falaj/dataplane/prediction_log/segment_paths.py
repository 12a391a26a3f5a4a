"""The forms that a segment may have on the disk.

A segment of predictions is written record by record, and once nothing will be added it is put into columns: a Parquet
file beside it, in the clear where the segment was, else encrypted as a whole. Whatever its form, a segment is known by
the name under which it was written, so places and positions stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from falaj.dataplane.prediction_log.format import PREDICTIONS, SUFFIXES

CLEAR_COLUMNS, SEALED_COLUMNS = ".parquet", ".sealed"
COLUMNS = (CLEAR_COLUMNS, SEALED_COLUMNS)
"""Suffixes of segments in columns. An encrypted one is no Parquet file, and is not named like one."""


def segments(folder: Path, kind: str = PREDICTIONS) -> list[Path]:
    """Return the segments of a log folder and the folders in it (one a replica), oldest first.

    What lies deeper is nobody's: a replica may make folders in its own, and call them what it likes.

    Args:
        folder: The log folder.
        kind: Kind of the segments.

    Returns:
        The paths under which they were written; `open_segment` finds the form that each of them has.
    """
    written = SUFFIXES[kind]
    suffixes = {written, *COLUMNS} if kind == PREDICTIONS else {written}
    files = chain(folder.glob("*"), folder.glob("*/*"))
    unique_paths = {path.with_suffix(written): None for path in files if path.suffix in suffixes}
    return sorted(unique_paths, key=lambda path: path.name)


def forms(segment: Path) -> Iterator[Path]:
    """The files in which a segment may lie.

    The first that is there counts: what was written goes only when the columns are there, so a reader that takes them
    in this order misses nothing and sees nothing twice.
    """
    yield segment
    if segment.suffix == SUFFIXES[PREDICTIONS]:
        yield from (segment.with_suffix(suffix) for suffix in COLUMNS)
