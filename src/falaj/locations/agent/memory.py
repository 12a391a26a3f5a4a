"""What an agent remembers on disk, so that it needs nobody after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from falaj.locations.desired import DesiredState, Endpoint
from falaj.locations.errors import DesiredStateError
from falaj.locations.runtimes.process.files import read_json, write_json


class Memory:
    """The last desired state, and the endpoints that were admitted last.

    They differ when a wanted release is refused: then the one admitted before keeps serving, also after a restart.

    Args:
        folder: The location's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._desired = folder / "desired.json"
        self._admitted = folder / "admitted.json"

    def desired(self) -> DesiredState:
        """The last desired state; an empty one of version -1 at first, or when the file is damaged."""
        return _read(self._desired)

    def admitted(self) -> tuple[Endpoint, ...]:
        """Endpoints admitted last."""
        return _read(self._admitted).endpoints

    def keep_desired(self, desired: DesiredState) -> None:
        """Remember what is wanted."""
        write_json(self._desired, desired.to_json())

    def keep_admitted(self, endpoints: Iterable[Endpoint]) -> None:
        """Remember what is allowed to serve."""
        write_json(self._admitted, DesiredState(0, tuple(endpoints)).to_json())


def _read(path: Path) -> DesiredState:
    try:
        return DesiredState.from_json(read_json(path) or {"version": -1})
    except DesiredStateError:
        return DesiredState()
