"""Logging in by an identity provider in the browser; security keys."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit, emit_error, emit_json, emit_table
from falaj.core.errors import UsageError
from falaj.sdk.key_page import KeyCeremony
from falaj.sdk.loopback import BrowserLogin

if TYPE_CHECKING:
    from falaj.schemas.identity import LoggedIn
    from falaj.sdk import Client


BrowserOption = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it by itself, or print it only.")]


def log_in_by_browser(client: Client, *, open_browser: bool) -> LoggedIn:
    """Log in by the identity provider; the address is printed, for a browser that does not open by itself.

    Args:
        client: One that carries nothing.
        open_browser: Open it in the browser of this machine.
    """
    with BrowserLogin(client.federation.provider().start) as login:
        emit(f"log in at {login.address}")
        if open_browser:
            webbrowser.open(login.address)
        return client.federation.redeem(login.code(), login.verifier)


def register_key(
    label: Annotated[str, typer.Option(help="What you will recognise the key by.")] = "security key",
    browser: BrowserOption = True,
) -> None:
    """Register a security key or passkey, in a browser on this machine; needs a login of the last five minutes."""
    calls = open_client().federation
    answer = _touched(calls.key_page(), "create", calls.begin_registration(), browser=browser)
    security_key = calls.register_key(label, answer)
    emit(f"{security_key.id[:16]} is registered as {security_key.label!r}")


def prove_by_key(client: Client, statement: str, *, open_browser: bool) -> None:
    """Let the person touch a security key for one statement.

    Args:
        client: The person's.
        statement: SHA-256 in hex of what is going to be approved.
        open_browser: Open the page in the browser of this machine.
    """
    calls = client.federation
    emit_error(f"statement {statement}")
    options = calls.begin_step_up(statement)
    calls.finish_step_up(_touched(calls.key_page(), "get", options, statement, browser=open_browser))


def _touched(
    page: str, action: Literal["create", "get"], options: dict[str, Any], statement: str = "", *, browser: bool
) -> dict[str, Any]:
    with KeyCeremony(page, action, options, statement) as ceremony:
        emit_error(f"open {ceremony.address}")  # the output is the result alone
        if browser:
            webbrowser.open(ceremony.address)
        return ceremony.answer()


def list_keys(json: JsonOption = False) -> None:
    """List your security keys."""
    key_list = open_client().federation.security_keys()
    if json:
        emit_json(key_list)
        return
    rows = [
        (key.id[:16], key.label, clock(key.created_at), clock(key.used_at) if key.used_at else "-") for key in key_list
    ]
    emit_table(("key", "label", "since", "last used"), rows, empty="no security keys")


def remove_key(key: Annotated[str, typer.Argument(help="Id of the key, or its beginning.")]) -> None:
    """Remove a security key; needs a login of the last five minutes."""
    calls = open_client().federation
    named = [security_key.id for security_key in calls.security_keys() if security_key.id.startswith(key)]
    if len(named) != 1:
        raise UsageError(
            f"{len(named)} of your security keys begin with '{key}'", hint="falaj access security-key list"
        )
    calls.remove_key(named[0])
    emit(f"{named[0][:16]} is removed")
