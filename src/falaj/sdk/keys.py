"""Data keys, and secrets of steps and of the platform."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.keys import Destroyed, Key, Secret
from falaj.sdk.http import Transport

_PREFIX = "/api/v1"


class KeyCalls:
    """The calls about data keys.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, limit: int | None = None) -> list[Key]:
        """The data keys, the destroyed ones too, oldest first; all of them without a limit."""
        return self._transport.list(Key, f"{_PREFIX}/keys", limit=limit)

    def rotate(self, tenant: str = "default", jurisdiction: str | None = None) -> Key:
        """Make the key that encrypts from now on.

        Args:
            tenant: Whose data.
            jurisdiction: Of the data; None for the installation's.
        """
        payload = {"tenant": tenant, "jurisdiction": jurisdiction}
        return api.decode(Key, self._transport.json("POST", f"{_PREFIX}/keys/rotate", payload))

    def destroy(self, key_id: str, reason: str) -> Destroyed:
        """Destroy a key, and with it all that it encrypted."""
        path = f"{_PREFIX}/keys/{quote(key_id)}/destroy"
        return api.decode(Destroyed, self._transport.json("POST", path, {"reason": reason}))


class SecretCalls:
    """The calls about secrets. No value comes back.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str | None) -> list[Secret]:
        """The secrets of a project; of the platform for None."""
        return self._transport.whole(Secret, _path(project))

    def set(self, project: str | None, name: str, value: str) -> Secret:
        """Keep a secret of a project, or of the platform for None, replacing the one of that name."""
        path = f"{_path(project)}/{quote(name, safe='')}"
        return api.decode(Secret, self._transport.json("PUT", path, {"value": value}))

    def remove(self, project: str | None, name: str) -> None:
        """Forget a secret."""
        self._transport.json("DELETE", f"{_path(project)}/{quote(name, safe='')}")


def _path(project: str | None) -> str:
    if project is None:
        return f"{_PREFIX}/platform/secrets"
    return f"{_PREFIX}/projects/{quote(project, safe='')}/secrets"
