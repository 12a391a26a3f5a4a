"""Who pushes: a user of the registry, from two variables or from the file that `docker login` and others write."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from falaj.core.errors import UsageError


@dataclass(frozen=True)
class RegistryUser:
    """A name and a password, which is often a token."""

    name: str
    password: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"RegistryUser({self.name!r})"


def read_user(host: str, environ: Mapping[str, str]) -> RegistryUser | None:
    """Whoever is logged in at a registry.

    Args:
        host: The registry, with its port.
        environ: `FALAJ_REGISTRY_USER` and `FALAJ_REGISTRY_PASSWORD` come first; then the files that
            `REGISTRY_AUTH_FILE` or `DOCKER_CONFIG` name, or `~/.docker/config.json`.

    Raises:
        UsageError: `registry.bad-login`: a file cannot be read, or the login is kept by another program.
    """
    if name := environ.get("FALAJ_REGISTRY_USER"):
        return RegistryUser(name, environ.get("FALAJ_REGISTRY_PASSWORD", ""))
    file = _file(environ)
    if file is None:
        return None
    try:
        document = json.loads(file.read_text())
        login = document.get("auths", {}).get(host, {})
        helper = document.get("credHelpers", {}).get(host) or document.get("credsStore")
        if not login.get("auth"):
            if helper and host in document.get("auths", {}):
                raise _unreadable(file, f"the login at {host} is kept by docker-credential-{helper}")
            return None
        name, _, password = base64.b64decode(login["auth"], validate=True).decode().partition(":")
    except (OSError, ValueError, AttributeError, TypeError, binascii.Error) as error:
        raise _unreadable(file, f"the logins cannot be read: {error}") from error
    return RegistryUser(name, password)


def _file(environ: Mapping[str, str]) -> Path | None:
    paths = [
        environ.get("REGISTRY_AUTH_FILE", ""),
        f"{environ['DOCKER_CONFIG']}/config.json" if environ.get("DOCKER_CONFIG") else "",
        f"{environ['HOME']}/.docker/config.json" if environ.get("HOME") else "",
    ]
    return next((Path(path) for path in paths if path and Path(path).is_file()), None)


def _unreadable(file: Path, why: str) -> UsageError:
    return UsageError(
        why, where=str(file), hint="set FALAJ_REGISTRY_USER and FALAJ_REGISTRY_PASSWORD", code="registry.bad-login"
    )
