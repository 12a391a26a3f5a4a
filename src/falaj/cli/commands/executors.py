"""Executors: list, enroll and deregister their machines."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import ago, clock, emit, emit_json, emit_table
from falaj.schemas.executors import Executor


def list_executors(json: JsonOption = False) -> None:
    """List executors with their machines, and how many steps wait and run."""
    executors = open_client().executors.list()
    if json:
        emit_json(executors)
        return
    rows = [row for each in executors for row in _rows(each)]
    columns = ("executor", "jurisdiction", "waiting", "running", "machine", "state", "last seen")
    emit_table(columns, rows, empty="no executors; platform.yaml names them under `executors`")


def enroll(
    name: Annotated[str, typer.Argument(help="An executor of platform.yaml.")],
    address: Annotated[str, typer.Option(help="Host of this machine, as the other one reaches it.")] = "",
    hours: Annotated[float, typer.Option(help="How long the token is good.", min=0.01, max=168)] = 1.0,
    json: JsonOption = False,
) -> None:
    """Create a one-time token for one more machine of an executor, and print the command for it."""
    invitation = open_client().executors.enrol(name, hours * 3600)
    if json:
        emit_json(invitation)
        return
    server = f"https://{address or socket.gethostname()}:{invitation.port}"
    token = f"{invitation.machine}:{invitation.fingerprint}:{invitation.token}"
    emit(f"on the new machine of '{name}', before {clock(invitation.expires_at)}:")
    emit(f"falaj platform worker --join {server} --token {token}")


def deregister(machine: Annotated[str, typer.Argument(help="A machine, as `list` shows it.")]) -> None:
    """Deregister a machine; it is refused from now on, and the steps that it has are carried out elsewhere."""
    open_client().executors.forget(machine)
    emit(f"the machine '{machine}' is refused from now on")


def _rows(executor: Executor) -> Iterator[tuple[object, ...]]:
    """A row a machine; one for an executor that has none."""
    shown = (executor.executor, executor.jurisdiction, executor.waiting, executor.running)
    for machine in executor.machines:
        yield (*shown, machine.machine, machine.state, ago(machine.seen_at))
    if not executor.machines:
        yield (*shown, "-", "-", "-")
