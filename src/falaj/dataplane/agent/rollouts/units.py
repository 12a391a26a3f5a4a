"""Which sticky units were counted: a unit is one observation in a rollout, whatever it asks and how often.

Its requests are not independent of each other, and neither are those that it makes in another step.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

MOST = 200_000
"""So many units are remembered for a test; later ones are not counted, which costs power and no validity."""
_NUMBER = struct.Struct("<Q")
Observation = TypeVar("Observation")


class Units:
    """The units that were counted, a file for each test of a rollout; numbers alone, not who they are.

    The file is ahead of what was counted after a kill: then a few units are not counted at all.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted: dict[str, set[int]] = {}

    def first(
        self, test: str, observations: Iterable[Observation], unit_of: Callable[[Observation], str | int | None]
    ) -> Sequence[Observation]:
        """The first observation of each unit that has not been counted in a test; those without a unit count each.

        Args:
            test: Names it on this machine: `ROLLOUT.requests`, `ROLLOUT.labels`, and both of the holdback.
            observations: In order.
            unit_of: The unit of one.
        """
        counted, chosen, fresh = self._of(test), [], []
        for observation in observations:
            unit = unit_of(observation)
            number = None if unit is None else _number(str(unit))
            if number is None:
                chosen.append(observation)
            elif number not in counted and len(counted) < MOST:
                counted.add(number)
                fresh.append(number)
                chosen.append(observation)
        self._append(test, fresh)
        return chosen

    def keep(self, rollouts: Collection[str]) -> None:
        """Forget the units of all rollouts but these."""
        self._counted = {test: units for test, units in self._counted.items() if _rollout_of(test) in rollouts}
        for path in self._folder.glob("*") if self._folder.exists() else ():
            if _rollout_of(path.name) not in rollouts:
                path.unlink()

    def _of(self, test: str) -> set[int]:
        if test not in self._counted:
            path = self._folder / test
            data = path.read_bytes() if path.exists() else b""
            whole = len(data) - len(data) % _NUMBER.size
            self._counted[test] = {number for (number,) in _NUMBER.iter_unpack(data[:whole])}
        return self._counted[test]

    def _append(self, test: str, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / test).open("ab") as file:
            file.write(b"".join(map(_NUMBER.pack, numbers)))


def _rollout_of(test: str) -> str:
    return test.rpartition(".")[0]


def _number(unit: str) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
