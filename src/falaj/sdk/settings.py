"""The platform's settings: plan, apply, versions, drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falaj.schemas import api
from falaj.schemas.platform import Drift, SettingsInForce, SettingsPlan, SettingsVersion
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/platform"


class SettingsCalls:
    """The calls about the platform's settings.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def show(self) -> SettingsInForce:
        """What holds."""
        return api.decode(SettingsInForce, self._transport.json("GET", _PREFIX))

    def versions(self, limit: int | None = 20) -> list[SettingsVersion]:
        """The applied versions, the newest first; all of them for a limit of None."""
        return self._transport.list(SettingsVersion, f"{_PREFIX}/versions", limit=limit)

    def plan(self, name: str, text: str, policies: Mapping[str, str]) -> SettingsPlan:
        """What applying a file would change.

        Args:
            name: The file's name, for messages.
            text: Its content.
            policies: The Cedar texts that it names, by path.
        """
        return api.decode(SettingsPlan, self._transport.json("POST", f"{_PREFIX}/plan", _file(name, text, policies)))

    def apply(self, name: str, text: str, policies: Mapping[str, str], base: int | None = None) -> SettingsPlan:
        """Make a file the one that holds.

        Args:
            name: As in `plan`.
            text: As in `plan`.
            policies: As in `plan`.
            base: The version that a plan was made against; refused when another one holds by now.

        Returns:
            The version that holds, and what was changed.
        """
        request_body = _file(name, text, policies) | {"base": base}
        return api.decode(SettingsPlan, self._transport.json("POST", f"{_PREFIX}/apply", request_body))

    def drift(self) -> Drift:
        """What is not as it was applied, looked at now."""
        return api.decode(Drift, self._transport.json("GET", f"{_PREFIX}/drift"))


def _file(name: str, text: str, policies: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "text": text, "policies": dict(policies)}
