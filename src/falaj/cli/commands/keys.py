"""Keys at rest: list, rotate, destroy, rewrap."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from falaj.cli import supervisor
from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table
from falaj.core.errors import ConflictError, UsageError
from falaj.core.home import Home
from falaj.supply_chain.encryption import open_chest, open_root


def list_keys(json: JsonOption = False) -> None:
    """List the data keys, including the destroyed ones."""
    key_list = open_client().keys.list()
    if json:
        emit_json(key_list)
        return
    rows = [
        (key.id, key.tenant, key.jurisdiction, key.subject or "-", key.state, key.root, clock(key.changed_at))
        for key in key_list
    ]
    emit_table(("key", "tenant", "jurisdiction", "subject", "state", "root", "since"), rows, empty="no keys yet")


def rotate(
    tenant: Annotated[str, typer.Option(help="Whose data.")] = "default",
    jurisdiction: Annotated[str, typer.Option(help="Of the data; by default the installation's.")] = "",
) -> None:
    """Encrypt with a new key from now on; the ones before it stay for reading."""
    new_key = open_client().keys.rotate(tenant, jurisdiction or None)
    emit(f"new key {new_key.id} for {new_key.tenant} in {new_key.jurisdiction}")


def destroy(
    key: Annotated[str, typer.Argument(help="Id of the key.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")],
    confirm: Annotated[str, typer.Option(help="The id again, instead of being asked for it.")] = "",
) -> None:
    """Destroy a key and all data that it encrypted; it cannot be recovered."""
    confirmation = confirm or (
        typer.prompt("this erases data for good; the key's id again") if sys.stdin.isatty() else ""
    )
    if confirmation != key:
        raise UsageError("confirmation does not match", hint=f"--confirm {key}", code="keys.not-confirmed")
    destroyed = open_client().keys.destroy(key, reason)
    emit(f"destroyed key {key}; {destroyed.objects} objects of the artifact store went with it")


def rewrap(
    root: Annotated[str, typer.Argument(help="The new root key: file:/path, pkcs11:... or awskms:...")],
) -> None:
    """Wrap every data key by another root key, while the platform is down; the data stays as it is."""
    home = Home.from_environment()
    if supervisor.running(home):
        raise ConflictError("the platform is running", hint="falaj down stops it", code="platform.running")
    chest, new = open_chest(home), open_root(root, home.keys, home.settings)
    chest.change(lambda keys: chest.rewrapped(keys, new))
    emit(f"{len(chest.entries())} keys are wrapped by {new.name} now; set FALAJ_ROOT_KEY={root}")
