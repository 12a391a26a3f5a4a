"""Cells of a category, fixed once from the reference: its frequent levels, the rare ones together, and the unseen.

Counts of a block are in the order: levels, other levels that the reference has, unseen, missing, wrong type. Rare
levels of the reference are known by a salted hash only, so that a schema, which travels, names no value that few
rows have.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.profiles.columns import (
    Categorical,
    Column,
    ProfileKind,
    coded_column,
    distinct_values,
    hashable,
    missing,
    text_of,
    type_of,
)
from falaj.statistics.profiles.counts import FeatureCounts, Moments
from falaj.statistics.profiles.distinct import Distinct
from falaj.statistics.profiles.number_cells import rank_scores

LEVELS = 40
MOST_OTHERS = 10_000
MOST_FREQUENT = 8
FREQUENT_ROWS = 10


@dataclass(frozen=True)
class CategoryCells:
    """The cells of one category.

    Args:
        name: Of the feature.
        levels: The reference's most frequent ones, most frequent first.
        others: Salted hashes of its other levels.
        types: Types that the reference's values have: `text`, `number`, `boolean`.
        scores: Rank score of each level and of the others together, whole numbers from -127 to 127.
        salt: Of the hashes and of the estimate of distinct values.
    """

    name: str
    levels: tuple[str, ...]
    others: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    scores: tuple[int, ...] = ()
    salt: bytes = b""

    kind = ProfileKind.CATEGORY

    @property
    def labels(self) -> tuple[str, ...]:
        """What each count is of."""
        return (*self.levels, "other", "unseen", "missing", "wrong type")

    @property
    def valued(self) -> int:
        """How many of the counts, from the first, are of values that the reference has."""
        return len(self.levels) + 1

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {level: place for place, level in enumerate(self.levels)}

    def place(self, value: Any) -> int:
        """Which count a value, not a missing one, belongs to."""
        kind, text = ("text", value) if type(value) is str else (type_of(value), text_of(value))
        if self.types and kind not in self.types:
            return self.valued + 2
        cell_place = self._places.get(text)
        if cell_place is not None:
            return cell_place
        return self.valued - 1 if self.others and hashed(text, self.salt) in self.others else self.valued

    def count(self, column: Column) -> FeatureCounts:
        """Count the values of a block."""
        value_counts, absent = distinct_values(column)
        counts = [0] * (self.valued + 3)
        counts[self.valued + 1] = absent
        unseen: dict[str, int] = {}
        for value, rows in value_counts.items():
            place = self.place(value)
            counts[place] += rows
            if place == self.valued and rows >= FREQUENT_ROWS:
                unseen[text_of(value)] = rows
        top = sorted(unseen.items(), key=lambda item: (-item[1], item[0]))[:MOST_FREQUENT]
        distinct = Distinct.of((text_of(value) for value in value_counts), self.salt)
        return FeatureCounts(tuple(counts), Moments(), {}, distinct, dict(sorted(top)))

    def row_places(self, column: Column) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Which count each row belongs to."""
        if isinstance(column, Categorical):
            places = [*(self.place(value) for value in column.levels), self.valued + 1]
            return np.array(places, np.intp)[np.where(column.codes < 0, -1, column.codes)]
        value_places = {value: self.place(value) for value in distinct_values(column)[0]}
        places_of_rows = (
            self.valued + 1 if missing(value) else value_places[value if hashable(value) else repr(value)]
            for value in column.tolist()
        )
        return np.fromiter(places_of_rows, np.intp, len(column))

    def rare_codes(self, column: Column) -> tuple[np.ndarray[Any, np.dtype[np.intp]], int]:
        """A number of each row's level where it is a rare one of the reference, else -1; and how many there are."""
        coded = column if isinstance(column, Categorical) else coded_column(column)
        numbers: dict[str, int] = {}
        codes = [
            numbers.setdefault(text_of(level), len(numbers)) if self.place(level) == self.valued - 1 else -1
            for level in coded.levels
        ]
        return np.array([*codes, -1], np.intp)[np.where(coded.codes < 0, -1, coded.codes)], len(numbers)

    def row_scores(self, column: Column) -> NDArray[np.float64]:
        """Rank score of each row; 0, the middle, where there is no value or an unseen one."""
        scores: NDArray[np.float64] = np.array([*self.scores, 0, 0, 0], np.float64)[self.row_places(column)]
        return scores


def hashed(text: str, salt: bytes) -> str:
    """A level as its salted hash of 64 bits."""
    return hashlib.blake2b(text.encode(), digest_size=8, salt=salt).hexdigest()


def _least_named(counts: Sequence[int]) -> float:
    """Rows from which on a level would be among the most frequent ones of other rows as well.

    The first forty of four hundred that are equally frequent are those that were so by chance, and would lose a third
    of their rows in every window.
    """
    if len(counts) <= LEVELS:
        return 0.0
    first_left_out = counts[LEVELS]
    return first_left_out + 3 * math.sqrt(first_left_out) + 4.5


def fit_category(name: str, column: Column, *, least: int, salt: bytes) -> CategoryCells:
    """Fix the cells of a category.

    Args:
        name: Of the feature.
        column: Its reference values.
        least: A level is named only when at least this many rows have it.
        salt: Of hashes, at most 16 bytes.
    """
    value_counts, _ = distinct_values(column)
    rows: dict[str, int] = {}
    for value, count in value_counts.items():
        rows[text_of(value)] = rows.get(text_of(value), 0) + count
    order = sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    named = [level for level, count in order[:LEVELS] if count >= max(least, _least_named([rows for _, rows in order]))]
    rest = order[len(named) :]
    others = frozenset(hashed(level, salt) for level, _ in rest[:MOST_OTHERS])
    counts = np.array([*(rows[level] for level in named), sum(count for _, count in rest)])
    types = frozenset(type_of(value) for value in value_counts)
    return CategoryCells(name, tuple(named), others, types, rank_scores(counts), salt)
