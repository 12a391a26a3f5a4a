"""Locations: who is enrolled, inviting agents, and putting them out."""

from __future__ import annotations

import builtins
from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.workload import Invitation, Location, ReleasePlacement
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/locations"


class LocationCalls:
    """The calls about locations.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Location]:
        """Every location with the state of its agent."""
        return self._transport.list(Location, _PREFIX)

    def placement(self, release: str) -> builtins.list[ReleasePlacement]:
        """Where a release goes in each environment, and why.

        Args:
            release: `model@number` or `model@latest`.
        """
        return self._transport.whole(ReleasePlacement, f"/api/v1/releases/{quote(release)}/placement")

    def enrol(self, location: str, life_s: float) -> Invitation:
        """Make a one-time token for the agent of a location.

        Args:
            location: Its name.
            life_s: How long the token is good, in seconds.
        """
        return api.decode(Invitation, self._transport.json("POST", _enrolment(location), {"life_s": life_s}))

    def forget(self, location: str) -> None:
        """Put the agent of a location out."""
        self._transport.json("DELETE", _enrolment(location))


def _enrolment(location: str) -> str:
    return f"{_PREFIX}/{quote(location, safe='')}/enrolment"
