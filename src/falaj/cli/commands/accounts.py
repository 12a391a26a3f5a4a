"""Accounts of people and services: list, add, link, lock, unlock, roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.commands.identity import role_text
from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table
from falaj.schemas.identity import GrantedRole

if TYPE_CHECKING:
    from falaj.schemas.identity import Account, PasswordLink

NameArgument = Annotated[str, typer.Argument(help="Name of the account; of a service as service:NAME.")]
RolesHelp = "ROLE, ROLE@PROJECT, ROLE:ENVIRONMENT or ROLE@PROJECT:ENVIRONMENT."


def list_accounts(json: JsonOption = False) -> None:
    """List the accounts with their roles."""
    account_list = open_client().accounts.list()
    if json:
        emit_json(account_list)
        return
    rows = [(a.id, a.email or "-", _state(a), ", ".join(map(role_text, a.roles)) or "-") for a in account_list]
    emit_table(("account", "address", "state", "roles"), rows, empty="no accounts; falaj up prints a link")


def add(
    name: Annotated[str, typer.Argument(help="Name of the account: a-z, 0-9, '.', '_', '-'.")],
    email: Annotated[str, typer.Option(help="Address of the person, as in their commits.")],
    role: Annotated[list[str] | None, typer.Option(help=RolesHelp)] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group that roles may be bound to.")] = None,
    json: JsonOption = False,
) -> None:
    """Create an account; print the one-time link with which the person chooses a password."""
    password_link = open_client().accounts.invite(name, email, group or (), [_parsed(text) for text in role or ()])
    _show_link(password_link, json)


def link(
    name: NameArgument,
    without_totp: Annotated[bool, typer.Option("--without-totp", help="The phone is lost too.")] = False,
    json: JsonOption = False,
) -> None:
    """Create a new link for someone who forgot the password."""
    _show_link(open_client().accounts.link(name, without_totp=without_totp), json)


def lock(name: NameArgument, reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")]) -> None:
    """Lock an account: its sessions end and its tokens are refused."""
    emit(f"{open_client().accounts.lock(name, reason).id} is locked")


def unlock(name: NameArgument) -> None:
    """Unlock an account."""
    emit(f"{open_client().accounts.unlock(name).id} is unlocked")


def set_roles(name: NameArgument, roles: Annotated[list[str] | None, typer.Argument(help=RolesHelp)] = None) -> None:
    """Replace the roles of an account; without any role, only those of platform.yaml remain."""
    account = open_client().accounts.set_roles(name, [_parsed(text) for text in roles or ()])
    emit(f"{account.id}: {', '.join(map(role_text, account.roles)) or 'no roles'}")


def _parsed(text: str) -> GrantedRole:
    rest, _, environment = text.partition(":")
    role, _, project = rest.partition("@")
    return GrantedRole(role, project or None, environment or None)


def _state(account: Account) -> str:
    if account.locked_at is not None:
        return f"locked: {account.locked_reason}"
    if account.source == "local" and not account.password:
        return "invited"
    return "active, totp" if account.totp else "active"


def _show_link(password_link: PasswordLink, json: bool) -> None:
    if json:
        emit_json(password_link)
        return
    emit(f"{password_link.account} chooses a password until {clock(password_link.expires_at)} with")
    emit(f"  falaj access account reset-password '{password_link.link}'")
