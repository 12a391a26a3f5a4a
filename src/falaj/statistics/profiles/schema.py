"""The schema of profiles: cells of every feature, fixed once from the reference; it travels with the release."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.profiles import schema_document
from falaj.statistics.profiles.category_cells import CategoryCells, fit_category
from falaj.statistics.profiles.columns import Categorical, Column, Columns, ProfileKind, kind_of, rows_of
from falaj.statistics.profiles.errors import ProfileError
from falaj.statistics.profiles.joint import MOST_FEATURES, MOST_ROWS, JointSums
from falaj.statistics.profiles.number_cells import NumberCells, fit_number
from falaj.statistics.profiles.profile import Profile

LEAST_ROWS = 10
Cells = NumberCells | CategoryCells


@dataclass(frozen=True)
class ProfileSchema:
    """Fixed cells of every feature and prediction.

    Args:
        features: Cells in the order of the columns.
        joint: Names of the features whose products are summed.
    """

    features: tuple[Cells, ...]
    joint: tuple[str, ...] = ()

    @classmethod
    def from_reference(
        cls,
        columns: Columns,
        kinds: Mapping[str, ProfileKind | str] | None = None,
        *,
        salt: bytes = b"",
        least: int = LEAST_ROWS,
    ) -> ProfileSchema:
        """Fix the cells from reference rows.

        Args:
            columns: Values of each feature and prediction, the same rows in each.
            kinds: `number` or `category` by name; the others are taken for what their values are.
            salt: Random bytes, at most 16, for hashes of rare categories and estimates of distinct ones.
            least: Exact values and levels that fewer rows have are not kept.

        Raises:
            ProfileError: There are no columns, no rows, or the columns differ in length.
        """
        if not rows_of(columns):
            raise ProfileError(
                "the reference has no rows",
                hint="give the rows that the model was trained or accepted on",
                code="profile.reference-empty",
            )
        feature_kinds = {
            name: ProfileKind((kinds or {}).get(name) or kind_of(column)) for name, column in columns.items()
        }
        cells = tuple(_fitted(name, column, feature_kinds[name], salt, least) for name, column in columns.items())
        return cls(cells, tuple(feature.name for feature in cells)[:MOST_FEATURES])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.features)

    def __getitem__(self, name: str) -> Cells:
        """The cells of a feature."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Cells]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def digest(self) -> str:
        """What profiles name the schema by."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def profile(
        self, columns: Columns, block_start: float, block_end: float, *, ids: Sequence[Any] | None = None
    ) -> Profile:
        """Count the rows of a block.

        Args:
            columns: Values by feature; a feature without a column is counted as missing in every row.
            block_start: Unix seconds.
            block_end: Unix seconds.
            ids: One id a row, to count rows that are there twice.

        Raises:
            ProfileError: Columns differ in length.
        """
        rows = rows_of(columns)
        complete = {name: columns[name] if name in columns else _absent(rows) for name in self.names}
        return Profile(
            self.digest,
            block_start,
            block_end,
            rows,
            {cells.name: cells.count(complete[cells.name]) for cells in self.features},
            self._joint(complete, rows),
            0 if ids is None else len(ids) - len(set(ids)),
            frozenset(self.names) - columns.keys(),
            frozenset(columns.keys()) - frozenset(self.names),
        )

    def profile_segments(self, columns: Columns, by: str, block_start: float, block_end: float) -> dict[str, Profile]:
        """Count the rows of a block by the level of one category: its named levels, no others.

        Raises:
            ProfileError: There is no such category.
        """
        cells = self._by_name.get(by)
        if not isinstance(cells, CategoryCells) or by not in columns:
            raise ProfileError(f"{by} is not a category of this schema", hint="segments are levels of a category")
        place = cells.row_places(columns[by])
        return {
            level: self.profile(choose_rows(columns, place == index), block_start, block_end)
            for index, level in enumerate(cells.levels)
        }

    def _joint(self, columns: Columns, rows: int) -> JointSums:
        step = max(1, -(-rows // MOST_ROWS))
        return JointSums.of([self[name].row_scores(_strided(columns[name], step)) for name in self.joint])

    def to_json(self) -> dict[str, Any]:
        """The schema as a JSON document."""
        return schema_document.encode(self.features, self.joint)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ProfileSchema:
        """Read a schema.

        Raises:
            ProfileFormatError: The document is no schema of a known version.
        """
        return cls(*schema_document.decode(document))


def _fitted(name: str, column: Column, kind: ProfileKind, salt: bytes, least: int) -> Cells:
    if kind is ProfileKind.NUMBER:
        return fit_number(name, column, least=least)
    return fit_category(name, column, least=least, salt=salt)


def _absent(rows: int) -> NDArray[np.generic]:
    return np.full(rows, None, dtype=object)


def _strided(column: Column, step: int) -> Column:
    return column.strided(step) if isinstance(column, Categorical) else column[::step]


def choose_rows(columns: Columns, rows: NDArray[np.generic] | slice) -> dict[str, Column]:
    """The columns with only some rows: a mask, their places, or from one to another."""
    return {
        name: Categorical(column.codes[rows], column.levels) if isinstance(column, Categorical) else column[rows]
        for name, column in columns.items()
    }
