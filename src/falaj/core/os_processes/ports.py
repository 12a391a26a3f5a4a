"""Which ports of this machine are the installation's own."""

from __future__ import annotations

from urllib.parse import urlsplit

from falaj.core.home import Home


def own_ports(home: Home) -> tuple[int, ...]:
    """TCP ports of the installation on this machine, and of its database where that is here as well."""
    database = urlsplit(home.database_url)
    local = database.hostname in ("localhost", "127.0.0.1", "::1") and database.port
    return (*home.ports().values(), *([database.port] if local and database.port else []))
