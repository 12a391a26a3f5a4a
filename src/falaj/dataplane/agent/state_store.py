"""What an agent remembers on disk, so that it needs nobody after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.dataplane.desired_state import DesiredEndpoint, DesiredState, Servable
from falaj.dataplane.errors import DesiredStateError
from falaj.dataplane.runtimes.process.files import read_json, write_json


@dataclass(frozen=True)
class Remembered:
    """An endpoint that was admitted before a restart.

    Args:
        endpoint: With the evidence and the admission that allowed it then.
        admitted_at: Unix seconds.
    """

    endpoint: DesiredEndpoint
    admitted_at: float


class Memory:
    """The last desired state, the endpoints that were admitted last, and the audit log as it was seen last.

    Wanted and admitted differ when a wanted release is refused: then the one admitted before keeps serving, also after
    a restart.

    Args:
        folder: The location's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._desired = folder / "desired.json"
        self._admitted = folder / "admitted.json"
        self._log = folder / "log.json"

    def desired(self) -> DesiredState:
        """The last desired state; an empty one of version -1 at first, or when the file is damaged."""
        try:
            return DesiredState.from_json(read_json(self._desired) or {"version": -1})
        except DesiredStateError:
            return DesiredState()

    def admitted(self) -> tuple[Remembered, ...]:
        """Endpoints admitted last; none when the file is damaged."""
        try:
            return tuple(_remembered(item) for item in (read_json(self._admitted) or {}).get("endpoints", ()))
        except (DesiredStateError, AttributeError, TypeError, ValueError):
            return ()

    def checkpoint(self) -> str | None:
        """The newest checkpoint of the audit log that was believed; None before the first.

        A damaged file is an error and not a fresh start, or whoever damages it could show an older log.

        Raises:
            DesiredStateError: The file cannot be read.
        """
        if not self._log.exists():
            return None
        match read_json(self._log):
            case {"checkpoint": str(text)}:
                return text
            case _:
                hint = "put back a copy of it; without one, remove it after the log was verified by other means"
                raise DesiredStateError("the last checkpoint seen is damaged", where=str(self._log), hint=hint)

    def keep_desired(self, desired: DesiredState) -> None:
        """Remember what is wanted."""
        write_json(self._desired, desired.to_json())

    def keep_admitted(self, servables: Iterable[Servable]) -> None:
        """Remember what is allowed to serve, and since when."""
        endpoints = [{**item.endpoint.to_json(), "admitted_at": item.admitted_at} for item in servables]
        write_json(self._admitted, {"endpoints": endpoints})

    def keep_checkpoint(self, text: str) -> None:
        """Remember the newest checkpoint that was believed."""
        write_json(self._log, {"checkpoint": text})


def _remembered(value: Mapping[str, Any]) -> Remembered:
    return Remembered(DesiredEndpoint.from_json(value), float(value.get("admitted_at", 0.0)))
