"""Lineage: why, lineage."""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.commands.changes import endpoint_of, moment
from falaj.cli.commands.projects import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table, styled

if TYPE_CHECKING:
    from falaj.documents.changes import Change
    from falaj.documents.lineage import Why


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(why)
    app.command()(lineage)


def why(
    endpoint: Annotated[str, typer.Argument(help="ENVIRONMENT/MODEL.")],
    at: Annotated[str, typer.Option(help="At this time, as 2026-12-05T09:00+04:00; by default now.")] = "",
    json: JsonOption = False,
) -> None:
    """Tell why an endpoint serves what it serves: trigger, run, gates, change, approvers, and what was before."""
    from falaj.client import Client

    environment, model = endpoint_of(endpoint)
    found = Client.from_home().lineage.why(environment, model, moment(at) if at else None)
    if json:
        emit_json(found)
        return
    for story in found:
        tell(story)


def lineage(
    node: Annotated[str, typer.Argument(help="KIND:NAME, such as release:flight-delay@1 or commit:3f2a...")] = "",
    down: Annotated[bool, typer.Option("--down", help="What it reached, not where it came from.")] = False,
    open_lineage: Annotated[str, typer.Option(help="Print the OpenLineage events of this run, one a line.")] = "",
    json: JsonOption = False,
) -> None:
    """Show where something came from, or what it reached."""
    from falaj.client import Client

    if open_lineage:
        for event in Client.from_home().lineage.open_lineage(open_lineage):
            emit(jsonlib.dumps(event))
        return
    found = Client.from_home().lineage.walk(node, down=down)
    if json:
        emit_json(found)
    else:
        rows = [(each.derived, each.relation, each.origin) for each in found]
        emit_table(("this", "", "that"), rows, empty=f"nothing is known of {node}")


def tell(story: Why) -> None:
    """Print the story of an endpoint at one location."""
    served, release, run = story.served, story.release, story.run
    until = f" until {clock(served.ended_at)}" if served.ended_at else ""
    emit(styled(f"{story.endpoint} at {served.location} serves release {served.release}", "bold"))
    before = ((each.release, clock(each.began_at), clock(each.ended_at)) for each in story.before)
    lines = [
        ("since", f"{clock(served.began_at)}{until}"),
        ("trigger", f"{run.trigger} of {run.project} {run.ref or ''}".rstrip()),
        ("commit", run.commit),
        ("run", f"{run.id}, ended {clock(run.ended_at)}"),
        *(("data", each) for each in story.snapshots),
        *(("gate", f"{gate['text']}: {gate['reason']}") for gate in release.data.get("gates", ())),
        ("model", release.digest),
        *_of_change("change", story.change),
        *_of_change("restores", story.restored),
        *(("before", f"release {number}, {began} to {ended}") for number, began, ended in before),
    ]
    for name, value in lines:
        emit(f"  {name:9} {value}")


def _of_change(name: str, change: Change | None) -> list[tuple[str, str]]:
    if change is None:
        return []
    asked = f"{change.id}, {change.kind}, {change.state}, asked for by {change.requester}"
    approved = [("approved", f"{each.approver} at {clock(each.approved_at)}") for each in change.approvals]
    return [(name, f"{asked}: {change.reason}" if change.reason else asked), *approved]
