"""Callers of endpoints: endpoint caller add, list, revoke."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table, state_styled
from falaj.core.errors import UsageError

EndpointArgument = Annotated[str, typer.Argument(help="ENVIRONMENT/MODEL.")]
_DAY_S = 86_400.0
_HEARD_WITHIN_S = 30.0
_LOOK_S = 0.2


def add(
    endpoint: EndpointArgument,
    name: Annotated[str, typer.Argument(help="What the caller is called here.")],
    out: Annotated[Path, typer.Option(help="File to write the credential to, for its owner alone; must not exist.")],
    days: Annotated[int, typer.Option(help="How long it is good, in days.", min=1, max=400)] = 90,
    certificate: Annotated[bool, typer.Option("--certificate", help="A certificate, and no token.")] = False,
    json: JsonOption = False,
) -> None:
    """Add a caller of an endpoint; `curl -H @FILE` sends the file, with --certificate `curl --cert FILE`."""
    if out.exists():
        raise UsageError("this file exists already", where=str(out), hint="name a new one")
    key, request = _key_and_request() if certificate else ("", "")
    added = open_client().callers.add(endpoint, name, days * _DAY_S, request)
    _write_private(out, f"{key}{added.credential}" if certificate else f"Authorization: Bearer {added.credential}\n")
    if json:
        emit_json(added.caller)
        return
    emit(f"{name} may ask {endpoint} until {clock(added.caller.expires_at)}, as {added.caller.id} in its logs")
    emit(f"{out} holds its {added.caller.kind}; it is kept nowhere else")


def list_callers(endpoint: EndpointArgument, json: JsonOption = False) -> None:
    """List the callers of an endpoint, including the revoked ones."""
    endpoint_callers = open_client().callers.list(endpoint)
    if json:
        emit_json(endpoint_callers)
        return
    rows = [
        (each.name, each.id, each.kind, state_styled(each.state), clock(each.expires_at), ", ".join(each.let_in_at))
        for each in endpoint_callers
    ]
    emit_table(("name", "pseudonym", "kind", "state", "until", "let in at"), rows, empty="nobody was added")


def revoke(
    endpoint: EndpointArgument,
    name: Annotated[str, typer.Argument(help="Name or pseudonym of the caller.")],
    json: JsonOption = False,
) -> None:
    """Revoke a caller; returns when every gateway refuses it."""
    client = open_client()
    caller, until = client.callers.revoke(endpoint, name), time.monotonic() + _HEARD_WITHIN_S
    while caller.let_in_at and time.monotonic() < until:
        time.sleep(_LOOK_S)
        caller = next((each for each in client.callers.list(endpoint) if each.id == caller.id), caller)
    if json:
        emit_json(caller)
    elif caller.let_in_at:
        emit(f"{name} is revoked; not heard of that yet: {', '.join(caller.let_in_at)}")
    else:
        emit(f"{name} is revoked: no gateway lets it in any more")


def _key_and_request() -> tuple[str, str]:
    """A private key that stays here, and the request for its certificate."""
    from falaj.supply_chain.certificates import workload_certificates as certificates
    from falaj.supply_chain.certificates.authority import key_pem

    key = certificates.new_key()
    return key_pem(key).decode(), certificates.make_request(key)


def _write_private(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write the credential: {error.strerror}", where=str(path)) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
