"""Labels by the block of time in which their predictions were made: gathered while they come, and closed once.

Labels of one block come over time, and the whole block is one bet. It is closed when its time is over and a later block
has half as many labels as it has, or when no label of it came for half of a block's length. Both depend on when labels
come and on nothing that they say. What comes later goes to the oldest block that is open. A block in which one arm has
no label says nothing alone, and becomes part of the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis.batch import Flags, Numbers
from falaj.statistics.rollout.analysis.betting import Difference

PATIENCE = 0.5
"""Of a block's length: so long may no label come before it is closed."""
MOST_OPEN = 400
"""More blocks than this are not open at once: the oldest is closed."""


@dataclass(frozen=True)
class LabelSums:
    """Labels of one block that came under one weight.

    Attributes:
        count: Labels of (stable, canary); pairs: twice the pairs.
        total: Sum of their losses.
        squares: Sum of the squares of the losses of (stable, canary); pairs: of the differences, in the second.
    """

    count: tuple[int, int] = (0, 0)
    total: tuple[float, float] = (0.0, 0.0)
    squares: tuple[float, float] = (0.0, 0.0)

    def __add__(self, other: LabelSums) -> LabelSums:
        """Both."""
        return LabelSums(
            (self.count[0] + other.count[0], self.count[1] + other.count[1]),
            (self.total[0] + other.total[0], self.total[1] + other.total[1]),
            (self.squares[0] + other.squares[0], self.squares[1] + other.squares[1]),
        )

    @staticmethod
    def of_arms(candidate: Flags, loss: Numbers) -> LabelSums:
        """Of labels of requests that one arm answered."""
        arms = (loss[~candidate], loss[candidate])
        return LabelSums(
            (len(arms[0]), len(arms[1])),
            (float(arms[0].sum()), float(arms[1].sum())),
            (float((arms[0] ** 2).sum()), float((arms[1] ** 2).sum())),
        )

    @staticmethod
    def of_pairs(stable: Numbers, candidate: Numbers) -> LabelSums:
        """Of labels of requests that both models scored."""
        squares = float(((candidate - stable) ** 2).sum())
        return LabelSums((len(stable),) * 2, (float(stable.sum()), float(candidate.sum())), (0.0, squares))

    def difference(self, *, paired: bool) -> Difference | None:
        """Of the means; None where one arm has no label."""
        stable, candidate = self.count
        if not (stable and candidate):
            return None
        apart = self.total[1] / candidate - self.total[0] / stable
        if paired:
            return Difference(apart, candidate, max(0.0, self.squares[1] - candidate * apart**2), candidate - 1)
        spread = sum(q - t * t / n for q, t, n in zip(self.squares, self.total, self.count, strict=True))
        return Difference(apart, stable * candidate / (stable + candidate), max(0.0, spread), stable + candidate - 2)


@dataclass(frozen=True)
class LabelBlock:
    """The labels of one block.

    Attributes:
        number: Its time divided by the length of a block.
        newest_s: When its newest label came, unix seconds.
        sums: By weight; arms are compared under one weight only, since losses drift while weights grow.
    """

    number: int
    newest_s: float
    sums: Mapping[float, LabelSums] = field(default_factory=dict)

    @property
    def labels(self) -> int:
        """How many there are, of both arms."""
        return sum(sum(part.count) for part in self.sums.values())

    def and_also(self, sums: Mapping[float, LabelSums], newest_s: float) -> LabelBlock:
        """The block with more labels."""
        both = {weight: self.sums.get(weight, LabelSums()) + part for weight, part in sums.items()}
        return replace(self, newest_s=max(self.newest_s, newest_s), sums={**self.sums, **both})

    def difference(self, *, paired: bool) -> Difference | None:
        """Of all weights, each counting by its information; None where no weight has labels of both arms."""
        parts = [part for sums in self.sums.values() if (part := sums.difference(paired=paired)) is not None]
        if not parts:
            return None
        information = sum(part.information for part in parts)
        value = sum(part.information * part.value for part in parts) / information
        return Difference(value, information, sum(p.within for p in parts), sum(p.freedom for p in parts))


@dataclass(frozen=True)
class LabelBlocks:
    """Blocks of one metric that are not closed yet.

    Attributes:
        open: In the order of their time.
        closed: Number of the newest block that was closed; None before the first.
    """

    open: tuple[LabelBlock, ...] = ()
    closed: int | None = None

    def add(self, number: int, sums: Mapping[float, LabelSums], now_s: float) -> LabelBlocks:
        """Take in labels of predictions of one block."""
        if self.closed is not None and number <= self.closed:
            number = self.open[0].number if self.open else self.closed + 1
        before = next((block for block in self.open if block.number == number), LabelBlock(number, now_s))
        others = [block for block in self.open if block.number != number]
        blocks = sorted([*others, before.and_also(sums, now_s)], key=lambda block: block.number)
        return replace(self, open=tuple(blocks))

    def close(self, now_s: float, length_s: float, *, paired: bool) -> tuple[LabelBlocks, list[Difference]]:
        """Close what is complete, oldest first.

        Args:
            now_s: Unix seconds.
            length_s: Of a block.
            paired: Whether both models scored each request.

        Returns:
            What is left, and the differences of the blocks that were closed.
        """
        blocks, closed, differences = list(self.open), self.closed, []
        while blocks and _is_complete(blocks, now_s, length_s):
            oldest = blocks[0]
            difference = oldest.difference(paired=paired)
            if difference is None and len(blocks) == 1:
                break
            del blocks[0]
            closed = oldest.number
            if difference is None:
                blocks[0] = blocks[0].and_also(oldest.sums, oldest.newest_s)
            else:
                differences.append(difference)
        return LabelBlocks(tuple(blocks), closed), differences

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        blocks = [
            [block.number, block.newest_s, [[weight, asdict(sums)] for weight, sums in block.sums.items()]]
            for block in self.open
        ]
        return {"open": blocks, "closed": self.closed}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> LabelBlocks:
        """What `to_json` made, also after it went through JSON."""
        blocks = (
            LabelBlock(number, newest_s, {weight: _sums(part) for weight, part in sums})
            for number, newest_s, sums in document["open"]
        )
        return LabelBlocks(tuple(blocks), document["closed"])


def by_block(at_s: Numbers, now_s: float, length_s: float) -> Iterator[tuple[int, Flags]]:
    """Which rows belong to which block; what is dated later than now, by a clock that jumped, belongs to now."""
    numbers = np.floor(np.minimum(at_s, now_s) / length_s).astype(np.int64)
    for number in np.unique(numbers):
        yield int(number), numbers == number


def _is_complete(blocks: Sequence[LabelBlock], now_s: float, length_s: float) -> bool:
    oldest, ends = blocks[0], (blocks[0].number + 1) * length_s
    if len(blocks) > MOST_OPEN:
        return True
    if now_s < ends:
        return False
    later = sum(block.labels for block in blocks[1:])
    return 2 * later >= oldest.labels or now_s >= max(ends, oldest.newest_s) + PATIENCE * length_s


def _sums(document: Mapping[str, Any]) -> LabelSums:
    return LabelSums(**{name: tuple(values) for name, values in document.items()})
