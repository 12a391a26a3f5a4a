"""Rollouts: rollout list, status, watch, pause, resume, promote, skip, abort."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import ago, emit, emit_json, emit_table
from falaj.cli.paging import first_rows
from falaj.cli.rollout_picture import picture_of
from falaj.cli.rollout_view import ENDED, lines_of, verdict

if TYPE_CHECKING:
    from falaj.schemas.rollouts import Rollout

NameArgument = Annotated[str, typer.Argument(help="Id of the rollout, or its endpoint as environment/model.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the audit log.")]
_POLL_S = 0.5


def list_rollouts(
    endpoint: Annotated[str, typer.Option(help="Of this endpoint only, as environment/model.")] = "",
    limit: LimitOption = 50,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List the newest rollouts."""
    rollout_list = first_rows(partial(open_client().rollouts.list, endpoint), None if everything else limit)
    if json:
        emit_json(rollout_list)
        return
    rows = [
        (each.id, each.endpoint, each.location, f"{each.stable} -> {each.candidate}", each.strategy, each.state,
         f"{each.weight / 100:g}%", ago(each.since), verdict(each)[:70])
        for each in rollout_list
    ]  # fmt: skip
    header = ("rollout", "endpoint", "location", "releases", "strategy", "state", "weight", "since", "verdict")
    emit_table(header, rows, empty="no rollouts yet: `deploy:` in falaj.yaml says how candidates come in")


def show(
    name: NameArgument,
    svg: Annotated[str, typer.Option(help="Draw how the evidence grew into this file, too.")] = "",
    json: JsonOption = False,
) -> None:
    """Show a rollout: weights, requests, statistics and verdict."""
    rollout = open_client().rollouts.show(name)
    if svg:
        Path(svg).write_text(picture_of(rollout), encoding="utf-8")
    _print_rollout(rollout, json)


def watch(name: NameArgument) -> None:
    """Follow a rollout until it ends; exit 1 unless the candidate succeeded."""
    calls = open_client().rollouts
    rollout, shown = calls.show(name), 0
    while True:
        shown = _redrawn(rollout, shown)
        if rollout.state in ENDED:
            raise typer.Exit(0 if rollout.state in ("succeeded", "live") else 1)
        time.sleep(_POLL_S)
        rollout = calls.show(rollout.id)


def pause(name: NameArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Keep the weights as they are; a regression still rolls back."""
    _ask(name, "pause", reason, json)


def resume(name: NameArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Resume a paused rollout, or give an inconclusive one its time again."""
    _ask(name, "resume", reason, json)


def promote(name: NameArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Give the candidate all requests now, without the evidence that is missing."""
    _ask(name, "promote", reason, json)


def skip(name: NameArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Go to the next step now, without the evidence that this one lacks."""
    _ask(name, "skip", reason, json)


def abort(name: NameArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Give all requests back to the stable release."""
    _ask(name, "abort", reason, json)


def _ask(name: str, command: str, reason: str, json: bool) -> None:
    calls = open_client().rollouts
    _print_rollout(calls.ask(calls.show(name).id, command, reason), json)


def _print_rollout(rollout: Rollout, json: bool) -> None:
    if json:
        emit_json(rollout)
        return
    for line in lines_of(rollout):
        emit(line)


def _redrawn(rollout: Rollout, shown: int) -> int:
    """Draw over what was drawn before on a terminal; elsewhere one line whenever the state or weight changes."""
    lines = lines_of(rollout)
    if sys.stdout.isatty():
        if shown:
            emit(f"\x1b[{shown}A\x1b[J", end="")
        for line in lines:
            emit(line)
        return len(lines)
    key = hash((rollout.state, rollout.weight))
    if key != shown:
        emit(f"{rollout.state}  {rollout.weight / 100:g}%  {verdict(rollout)}")
    return key
