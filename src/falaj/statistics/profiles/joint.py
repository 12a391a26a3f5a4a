"""Sums of products of rank scores: what a block tells about how features depend on each other, without its rows.

Scores are whole numbers up to 127, so the sums are exact and merging them is too. Rows are taken at regular steps,
at most `MOST_ROWS` a block: more of them would say little more about correlations and cost most of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 2048
MOST_FEATURES = 32


@dataclass(frozen=True)
class JointSums:
    """Sums over the rows of a block, for features in the order of the schema.

    Args:
        rows: How many rows they are of.
        scores: Sum of each feature's score.
        products: Sums of the products of each pair, upper triangle with the diagonal, row by row.
        squares: Sums of their squares.
    """

    rows: int = 0
    scores: tuple[int, ...] = ()
    products: tuple[int, ...] = ()
    squares: tuple[int, ...] = ()

    @classmethod
    def of(cls, scores: Sequence[NDArray[np.generic]]) -> JointSums:
        """The sums of rows whose scores are given feature by feature."""
        if not scores or not len(scores[0]):
            return cls()
        table = np.stack(scores, axis=1)
        upper = np.triu_indices(table.shape[1])
        products, squares = table.T @ table, (table**2).T @ (table**2)
        return cls(
            len(table),
            tuple(int(total) for total in table.sum(axis=0)),
            tuple(int(total) for total in products[upper]),
            tuple(int(total) for total in squares[upper]),
        )

    def merge(self, other: JointSums) -> JointSums:
        """The sums of both."""
        if not self.rows or not other.rows:
            return self if self.rows else other
        return JointSums(
            self.rows + other.rows,
            _added(self.scores, other.scores),
            _added(self.products, other.products),
            _added(self.squares, other.squares),
        )


def _added(left_counts: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(mine + theirs for mine, theirs in zip(left_counts, right, strict=True))
