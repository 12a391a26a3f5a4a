"""Which sticky units were counted: the many requests of one unit are one observation, and not independent ones."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from falaj.locations.accesslog import Access

MOST = 200_000
"""So many units are remembered for a step; later ones are not counted, which costs power and no validity."""
_NUMBER = struct.Struct("<Q")


class Units:
    """The units that were counted, a file for each step of a rollout; numbers alone, not who they are.

    The file is ahead of what was counted after a kill: then a few units are not counted at all.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._step = ""
        self._known: set[int] = set()

    def first(self, step: str, accesses: Iterable[Access]) -> Sequence[Access]:
        """The first request of each unit that has not been counted in a step; requests without a unit count each.

        Args:
            step: Names the step on this machine.
            accesses: Requests in order.
        """
        self._turn_to(step)
        found, fresh = [], []
        for access in accesses:
            if access.unit is None:
                found.append(access)
                continue
            number = _number(access.unit)
            if number not in self._known and len(self._known) < MOST:
                self._known.add(number)
                fresh.append(number)
                found.append(access)
        self._append(fresh)
        return found

    def keep(self, rollouts: Collection[str]) -> None:
        """Forget the units of all rollouts but these."""
        for path in self._folder.glob("*") if self._folder.exists() else ():
            if path.name.partition(".")[0] not in rollouts:
                path.unlink()

    def _turn_to(self, step: str) -> None:
        if step == self._step:
            return
        self._step, self._known = step, set()
        path = self._folder / step
        for other in self._folder.glob("*") if self._folder.exists() else ():
            if other != path and other.name.partition(".")[0] == step.partition(".")[0]:
                other.unlink()
        if path.exists():
            data = path.read_bytes()
            whole = len(data) - len(data) % _NUMBER.size
            self._known = {number for (number,) in _NUMBER.iter_unpack(data[:whole])}

    def _append(self, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / self._step).open("ab") as file:
            file.write(b"".join(map(_NUMBER.pack, numbers)))


def _number(unit: str) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
