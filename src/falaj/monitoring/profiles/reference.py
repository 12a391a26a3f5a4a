"""The reference: the schema, and the profiles of the blocks that it was fixed from.

The blocks tell how much blocks differ when nothing has changed. Rows of an hour or a day are alike (the same weather,
the same customer), so that a window of 1,000 of them says less than 1,000 independent rows would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from falaj.monitoring.profiles import encoding
from falaj.monitoring.profiles.columns import Columns, Kind, rows_of
from falaj.monitoring.profiles.errors import ProfileError, ProfileFormatError
from falaj.monitoring.profiles.profile import Profile, merged
from falaj.monitoring.profiles.schema import LEAST_ROWS, ProfileSchema, choose_rows

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
        kinds: Mapping[str, Kind | str] | None = None,
        *,
        block_of_row: np.ndarray[Any, Any] | None = None,
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
        return cls(schema, tuple(block_profiles(schema, columns, block_of_row)))

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
            raise ProfileFormatError(f"this is no reference of the form {FORM}: {document.get('form')!r}")
        schema = ProfileSchema.from_json(document["schema"])
        blocks = tuple(encoding.from_json(block) for block in document["blocks"])
        if not blocks or any(block.schema != schema.digest for block in blocks):
            raise ProfileFormatError("the reference's blocks are not of its schema")
        return cls(schema, blocks)


def block_profiles(
    schema: ProfileSchema, columns: Columns, block_of_row: np.ndarray[Any, Any] | None = None, *, blocks: int = BLOCKS
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
    if block_of_row is None:
        block_of_row = np.arange(rows) * min(blocks, max(rows, 1)) // max(rows, 1)
    if len(block_of_row) != rows:
        raise ProfileError(f"{len(block_of_row)} blocks for {rows} rows", hint="name the block of every row")
    if not rows:
        return []
    found, place = np.unique(block_of_row, return_inverse=True)
    in_order = bool((np.diff(place) >= 0).all())  # as a log is: parts of the arrays then need no copy
    order = None if in_order else np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=len(found)))
    profiles = []
    for number, (low, high) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        start = float(found[number]) if found.dtype.kind in "iuf" else float(number)
        profiles.append(
            schema.profile(choose_rows(columns, slice(low, high) if order is None else order[low:high]), start, start)
        )
    return profiles
