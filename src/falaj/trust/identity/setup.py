"""The first administrator: made by whoever holds a one-time link, which only the installation's owner can read."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from falaj.core.errors import ConflictError
from falaj.core.principal import PrincipalKind
from falaj.storage import Database
from falaj.storage.identity_tables import AccountRow
from falaj.trust.identity import accounts, one_time_links, roles
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.passwords import Passwords, require_good

LINK_FILE = "setup-link"


@dataclass(frozen=True)
class FirstAdministrator:
    """Who chooses a name, an address and a password.

    Args:
        name: Of the account.
        email: Address of the person.
        password: In clear; hashed at once.
    """

    name: str
    email: str
    password: str


def offer_setup(database: Database, folder: Path, server_url: str, now: float) -> Path | None:
    """Keep a link in a file while there is no administrator, and none otherwise.

    Args:
        database: Of the installation.
        folder: Readable by its owner alone.
        server_url: Where the link leads.
        now: Unix seconds.

    Returns:
        The file, mode 0600; None when there is an administrator.
    """
    path = folder / LINK_FILE
    with database.transaction() as session:
        if roles.has_administrator(session):
            path.unlink(missing_ok=True)
            return None
        if path.exists() and one_time_links.is_good(session, path.read_text(), one_time_links.SETUP, now):
            return path
        secret = one_time_links.make_link(session, one_time_links.SETUP, None, now, one_time_links.SETUP_LIFE_S)
    _write_private(path, one_time_links.link_text(server_url, secret, one_time_links.SETUP))
    return path


def make_first_administrator(
    database: Database, passwords: Passwords, link: str, administrator: FirstAdministrator, now: float
) -> AccountRow:
    """Make the first administrator.

    Args:
        database: Of the installation.
        passwords: Hashes the password.
        link: From the file, with or without its address.
        administrator: Who it is.
        now: Unix seconds.

    Raises:
        RefusedError: The link is not valid, expired or used.
        IdentityInputError: Name, address or password is not allowed.
        ConflictError: There is an administrator (`identity.set-up`).
    """
    with database.reading() as session:
        one_time_links.look_at_link(session, link, one_time_links.SETUP, now)  # nothing is hashed for strangers
    require_good(administrator.password, name=administrator.name, email=administrator.email)
    hashed = passwords.hash(administrator.password)
    with database.transaction() as session:
        one_time_links.use_link(session, link, one_time_links.SETUP, now)
        return _first(session, administrator, hashed, now)


def _first(session: Session, administrator: FirstAdministrator, hashed: str, now: float) -> AccountRow:
    if roles.has_administrator(session):
        raise ConflictError("there is an administrator", hint="ask for an account", code="identity.set-up")
    new_account = accounts.NewAccount(PrincipalKind.USER, administrator.name, accounts.LOCAL, administrator.email)
    account = accounts.create(session, new_account, f"{PrincipalKind.USER}:{administrator.name}", now)
    account.password_hash = hashed
    roles.grant_first(session, account, now)
    note(session, "account.first-administrator", account.id, account.id, now)
    return account


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
