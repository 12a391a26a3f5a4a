"""The reference: the schema, and the profiles of the blocks that it was fixed from.

The blocks tell how much blocks differ when nothing has changed. Rows of an hour or a day are alike (the same weather,
the same customer), so that a window of 1,000 of them says less than 1,000 independent rows would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.profiles import encoding
from falaj.statistics.profiles.category_cells import CategoryCells
from falaj.statistics.profiles.columns import Column, Columns, ProfileKind, rows_of
from falaj.statistics.profiles.errors import ProfileError, ProfileFormatError
from falaj.statistics.profiles.profile import Profile, merged
from falaj.statistics.profiles.schema import LEAST_ROWS, ProfileSchema, choose_rows

FORM = "falaj/reference-profile/1"
BLOCKS = 40


@dataclass(frozen=True)
class ReferenceProfile:
    """What windows are compared with.

    Args:
        schema: Fixed cells.
        blocks: Profiles of the reference's blocks, in time order; at least one has rows.
    """

    schema: ProfileSchema
    blocks: tuple[Profile, ...]

    @classmethod
    def build(
        cls,
        columns: Columns,
        kinds: Mapping[str, ProfileKind | str] | None = None,
        *,
        block_of_row: NDArray[np.generic] | None = None,
        salt: bytes = b"",
        least: int = LEAST_ROWS,
    ) -> ReferenceProfile:
        """Build the reference from rows, in a run.

        Args:
            columns: Values of each feature and prediction.
            kinds: `number` or `category` by name.
            block_of_row: What block each row is of, such as its day; blocks are taken in sorted order. Without it the
                rows, in their order, are cut into 40 parts.
            salt: See `ProfileSchema.from_reference`.
            least: The same.

        Raises:
            ProfileError: There are no rows, or columns differ in length.
        """
        schema = ProfileSchema.from_reference(columns, kinds, salt=salt, least=least)
        return cls(schema, tuple(reference_blocks(schema, columns, block_of_row)))

    @cached_property
    def total(self) -> Profile:
        """All blocks as one."""
        return merged(self.blocks)

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON document."""
        blocks = [encoding.to_json(block) for block in self.blocks]
        return {"form": FORM, "schema": self.schema.to_json(), "blocks": blocks}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ReferenceProfile:
        """Read a document.

        Raises:
            ProfileFormatError: It is no reference of a known version.
        """
        if document.get("form") != FORM:
            raise ProfileFormatError(f"this is not a reference of the form {FORM}: {document.get('form')!r}")
        schema = ProfileSchema.from_json(document["schema"])
        blocks = tuple(encoding.from_json(block) for block in document["blocks"])
        if not blocks or any(block.schema != schema.digest for block in blocks):
            raise ProfileFormatError("the reference's blocks are not of its schema")
        return cls(schema, blocks)


def reference_blocks(
    schema: ProfileSchema, columns: Columns, block_of_row: NDArray[np.generic] | None = None
) -> list[Profile]:
    """Profile the reference's own rows, each block as if it were a window of a reference without it.

    A rare level that no other block has is counted as unseen: whoever counts it as known expects of later windows that
    nothing is new in them, and order numbers or customers, of which every day has new ones, would drift forever.

    Args:
        schema: Fixed from these rows.
        columns: Values by feature.
        block_of_row: What block each row is of; None cuts the rows into parts.
    """
    place = _places(rows_of(columns), block_of_row)
    profiles = block_profiles(schema, columns, block_of_row)
    for cells in schema.features:
        if isinstance(cells, CategoryCells) and cells.others:
            fresh = _own_rows(cells, columns[cells.name], place, len(profiles))
            profiles = [_with_unseen(each, cells, int(rows)) for each, rows in zip(profiles, fresh, strict=True)]
    return profiles


def _places(rows: int, block_of_row: NDArray[np.generic] | None, blocks: int = BLOCKS) -> NDArray[np.intp]:
    """The number of each row's block, from 0, in sorted order of the blocks."""
    if block_of_row is None:
        block_of_row = np.arange(rows) * min(blocks, max(rows, 1)) // max(rows, 1)
    if len(block_of_row) != rows:
        raise ProfileError(f"{len(block_of_row)} blocks for {rows} rows", hint="name the block of every row")
    places: NDArray[np.intp] = np.unique(block_of_row, return_inverse=True)[1]
    return places


def _own_rows(
    cells: CategoryCells, column: Column, place: NDArray[np.intp], blocks: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows by block whose level is a rare one that no other block has; in a single block, that no other row has."""
    codes, rare = cells.rare_codes(column)
    chosen = codes >= 0
    codes, place = codes[chosen], place[chosen]
    first, last = np.full(rare, blocks), np.full(rare, -1)
    np.minimum.at(first, codes, place)
    np.maximum.at(last, codes, place)
    alone = first == last if blocks > 1 else np.bincount(codes, minlength=rare) == 1
    return np.bincount(place[alone[codes]], minlength=blocks)


def _with_unseen(profile: Profile, cells: CategoryCells, rows: int) -> Profile:
    feature_counts = profile.features[cells.name]
    counts = list(feature_counts.counts)
    counts[cells.valued - 1] -= rows
    counts[cells.valued] += rows
    return replace(profile, features={**profile.features, cells.name: replace(feature_counts, counts=tuple(counts))})


def block_profiles(
    schema: ProfileSchema, columns: Columns, block_of_row: NDArray[np.generic] | None = None, *, blocks: int = BLOCKS
) -> list[Profile]:
    """Profile rows block by block.

    Args:
        schema: Fixed cells.
        columns: Values by feature.
        block_of_row: What block each row is of; None cuts the rows into parts.
        blocks: How many parts.

    Returns:
        One profile a block in sorted order; none where there are no rows. Its start is the block itself where it is
        a number, else its place.

    Raises:
        ProfileError: There is not one block a row.
    """
    rows = rows_of(columns)
    place = _places(rows, block_of_row, blocks)
    if not rows:
        return []
    block_labels = np.unique(block_of_row) if block_of_row is not None else np.arange(place.max() + 1)
    in_order = bool((np.diff(place) >= 0).all())  # as a log is: parts of the arrays then need no copy
    order = None if in_order else np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=len(block_labels)))
    profiles = []
    for number, (low, high) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        start = float(block_labels[number]) if block_labels.dtype.kind in "iuf" else float(number)
        profiles.append(
            schema.profile(choose_rows(columns, slice(low, high) if order is None else order[low:high]), start, start)
        )
    return profiles
