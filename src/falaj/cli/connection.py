"""The client of a command, which is imported when the command asks the server: help needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falaj.core.home import Home
    from falaj.sdk import Client


def open_client(home: Home | None = None) -> Client:
    """The client of an installation, with the login of its user."""
    from falaj.sdk import Client

    return Client.from_home(home)
