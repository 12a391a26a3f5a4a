"""What people carry on their own machine: a folder a person, with sessions by server and the approval key.

    ~/.config/falaj/current.json            which person's session is used, by server
    ~/.config/falaj/ana/sessions.json       open sessions, by server
    ~/.config/falaj/ana/approval.pem        the key that signs approvals; it never leaves this machine

A session is sent to the server that opened it and to no other.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from falaj.core.errors import FalajError, UsageError
from falaj.core.home import Home

if TYPE_CHECKING:
    from falaj.schemas.identity import LoggedIn

_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", re.ASCII)


class NotLoggedInError(FalajError):
    """No open session of the person who was named."""

    code, status, exit_code = "identity.not-logged-in", 401, 2


@dataclass(frozen=True)
class Credentials:
    """The credentials of the people of this machine, for one server.

    Args:
        folder: `FALAJ_CREDENTIALS`, by default `~/.config/falaj`.
        server_url: The server.
        profile: Whose session to use, as `FALAJ_ACCOUNT` or `--account` say; empty for the one that logged in last.
    """

    folder: Path
    server_url: str
    profile: str = ""

    @classmethod
    def of(cls, home: Home) -> Credentials:
        """The credentials for the server of a home.

        Raises:
            UsageError: The name of a profile that could not be a folder.
        """
        folder = home.settings.get("FALAJ_CREDENTIALS") or Path.home() / ".config" / "falaj"
        profile = home.settings.get("FALAJ_ACCOUNT") or ""
        return cls(Path(folder).expanduser(), home.server_url, _profile(profile) if profile else "")

    @property
    def current(self) -> str:
        """Whose session commands use; empty when nobody is logged in."""
        return self.profile or str(_read(self.folder / "current.json").get(self.server_url, ""))

    def token(self, now: float) -> str | None:
        """The session that commands use; None when nobody was named and nobody is logged in.

        Raises:
            NotLoggedInError: The session of the person has ended, or never was.
        """
        name = self.current
        if not name:
            return None
        session_data = _read(self._sessions(name)).get(self.server_url)
        if not isinstance(session_data, dict) or session_data["expires_at"] <= now:
            raise NotLoggedInError(
                f"{name} is not logged in at {self.server_url}, or no longer",
                hint=f"falaj login --account {name}" + ("" if self.profile else ", or falaj logout"),
            )
        return str(session_data["token"])

    def keep(self, name: str, opened: LoggedIn) -> None:
        """Keep a session, and use it from now on, unless a profile was named: that one was asked for by name."""
        session = {"token": opened.token, "person": opened.person, "expires_at": opened.expires_at}
        path = self._sessions(_profile(name))
        _write(path, {**_read(path), self.server_url: session})
        if not self.profile:
            self._use(name)

    def forget(self) -> str:
        """Forget the session that commands use; return whose it was."""
        name = self.current
        if name:
            path = self._sessions(name)
            _write(
                path,
                {server: session_data for server, session_data in _read(path).items() if server != self.server_url},
            )
            current = _read(self.folder / "current.json")
            if current.get(self.server_url) == name:
                self._use("")
        return name

    def approval_key(self, name: str = "") -> Path:
        """The file of a person's approval key, by default of whose session is used.

        Raises:
            NotLoggedInError: Nobody was named and nobody is logged in.
        """
        chosen = name or self.current
        if not chosen:
            raise NotLoggedInError("nobody is logged in", hint="falaj login --account NAME")
        return self.folder / _profile(chosen) / "approval.pem"

    def _use(self, name: str) -> None:
        path = self.folder / "current.json"
        others = {server: session_data for server, session_data in _read(path).items() if server != self.server_url}
        _write(path, {**others, self.server_url: name} if name else others)

    def _sessions(self, name: str) -> Path:
        return self.folder / _profile(name) / "sessions.json"


def token_for(home: Home) -> str:
    """The bearer token of a command: `FALAJ_TOKEN`, the session of whoever is logged in, or the home's own.

    Raises:
        NotLoggedInError: The session of the person that was named, or of who logged in last, has ended.
    """
    return home.settings.get("FALAJ_TOKEN") or Credentials.of(home).token(time.time()) or home.token


def _profile(name: str) -> str:
    if not _PROFILE.fullmatch(name) or ".." in name:
        raise UsageError(f"{name[:80]!r} cannot be the name of a profile", hint="letters, digits, '.', '_', '@', '-'")
    return name


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file that its owner alone can read, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=2)
    fresh.replace(path)
