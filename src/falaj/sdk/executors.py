"""Executors: their machines, inviting one more, and putting one out."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.executors import Executor, MachineInvitation
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/executors"


class ExecutorCalls:
    """The calls about executors.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Executor]:
        """Every executor with its machines."""
        return self._transport.list(Executor, _PREFIX)

    def enrol(self, executor: str, life_s: float) -> MachineInvitation:
        """Make a one-time token for one more machine of an executor.

        Args:
            executor: Its name.
            life_s: How long the token is good, in seconds.
        """
        path = f"{_PREFIX}/{quote(executor, safe='')}/machines"
        return api.decode(MachineInvitation, self._transport.json("POST", path, {"life_s": life_s}))

    def forget(self, machine: str) -> None:
        """Put a machine out."""
        self._transport.json("DELETE", f"{_PREFIX}/machines/{quote(machine, safe='')}")
