"""Locations: list, enroll, deregister, explain, rules."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import ago, clock, emit, emit_json, emit_table
from falaj.core.home import Home

NameArgument = Annotated[str, typer.Argument(help="A location of platform.yaml.")]


def list_locations(json: JsonOption = False) -> None:
    """List locations with the state of their agents."""
    location_list = open_client().locations.list()
    if json:
        emit_json(location_list)
        return
    rows = [(each.location, each.state, ago(each.seen_at), clock(each.certified_until)) for each in location_list]
    emit_table(("location", "agent", "last seen", "certificate until"), rows, empty="no locations")


def enroll(
    name: NameArgument,
    address: Annotated[str, typer.Option(help="Host of this machine, as the agent reaches it.")] = "",
    hours: Annotated[float, typer.Option(help="How long the token is good.", min=0.01, max=168)] = 1.0,
    json: JsonOption = False,
) -> None:
    """Create a one-time token for the agent of a location, and print the commands for its machine."""
    invitation = open_client().locations.enrol(name, hours * 3600)
    if json:
        emit_json(invitation)
        return
    server = f"https://{address or socket.gethostname()}:{invitation.port}"
    emit(f"on the machine of '{name}', once, before {clock(invitation.expires_at)}:")
    emit(
        f"falaj-agent enroll --location {name} --server {server} --token {invitation.token} --ca-fingerprint "
        f"{invitation.fingerprint}"
    )
    emit(f"falaj-agent run --location {name}")


def deregister(name: NameArgument) -> None:
    """Deregister the agent of a location; its certificates are refused from now on."""
    open_client().locations.forget(name)
    emit(f"the agent of '{name}' is refused from now on; what it serves there goes on until it is stopped there")


def explain(
    release: Annotated[str, typer.Argument(help="A release as model@number, or a model for its newest one.")],
    environment: Annotated[str, typer.Option(help="Of this environment alone.")] = "",
    json: JsonOption = False,
) -> None:
    """Explain to which locations a release goes, and which rule keeps it out of the others."""
    name = release if "@" in release else f"{release}@latest"
    placements = [each for each in open_client().locations.placement(name) if environment in ("", each.environment)]
    if json:
        emit_json(placements)
        return
    rows = [
        (each.environment, each.location, each.kind, each.jurisdiction, "yes" if each.placed else "no", each.rule)
        for each in placements
    ]
    emit_table(("environment", "location", "kind", "law", "placed", "rule"), rows, empty="no such environment")


def rules(name: NameArgument) -> None:
    """Show what a location on this machine requires by itself, whatever the control plane says."""
    from falaj.dataplane.local_policy import FILE, read_rules

    folder = Home.from_environment().location_dir(name)
    rules = read_rules(folder, name)
    emit(f"rules: {folder / FILE}" + ("" if (folder / FILE).exists() else " (not there)"))
    emit(f"jurisdiction: {rules.jurisdiction or 'what an admission says'}")
    for environment, least in sorted(rules.floors.items()):
        pinned = rules.approval_keys.get(environment)
        whose = (
            f"of {len(pinned)} keys that the rules name" if pinned else "of anybody whom the control plane vouches for"
        )
        emit(f"{environment}: {least} approvals at least, {whose}")
    if not rules.floors:
        emit("approvals: as many as an admission asks for")
    if rules.unpinned:
        emit(f"warning: who takes over the control plane can invent people for {', '.join(rules.unpinned)}")
