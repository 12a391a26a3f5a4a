"""Runs: the one of this checkout is started here, those of the platform are started, listed and cancelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.commands.run_inspection import follow, write_junit
from falaj.cli.connection import open_client
from falaj.cli.current_run import last_local
from falaj.cli.options import EveryOption, JsonOption, JunitOption, LimitOption
from falaj.cli.output import ago, duration, emit, emit_json, emit_table, shortened
from falaj.cli.paging import first_rows
from falaj.config.quantities import parse_duration
from falaj.core.errors import UsageError
from falaj.core.home import Home

SetOption = Annotated[list[str], typer.Option("--set", help="STEP.PARAMETER=VALUE, as often as needed.")]


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("-C", "--folder", help="Project folder.")] = Path(),
    settings: SetOption = [],  # noqa: B006 - Typer reads it once and copies
    json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    junit: JunitOption = None,
) -> None:
    """Run the project in this checkout, without a server; unchanged steps are cache hits."""
    if context.invoked_subcommand:
        return
    from falaj.cli.local_run import run_here

    succeeded = run_here(folder, overrides(settings), json=json, quiet=quiet)
    if junit is not None and (ended := last_local(Home.from_environment(), folder)) is not None:
        write_junit(junit, ended)
    if not succeeded:
        raise typer.Exit(1)


def list_runs(
    project: Annotated[str, typer.Option(help="Of this project only.")] = "",
    state: Annotated[str, typer.Option(help="In this state only, such as failed.")] = "",
    condition: Annotated[str, typer.Option("--filter", help="Such as 'gate.brier < 0.2 and param.depth > 3'.")] = "",
    sort: Annotated[
        str, typer.Option(help="By created_at, project or state; - for the largest first.")
    ] = "-created_at",
    limit: LimitOption = 20,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List the newest runs."""
    runs = open_client().runs
    run_list = first_rows(
        lambda most: runs(project or None, most, condition, state=state or None, sort=sort),
        None if everything else limit,
    )
    if json:
        emit_json(run_list)
        return
    rows = [
        (
            r.id,
            r.project,
            r.commit[:10],
            r.trigger,
            r.state,
            duration(r.started_at, r.ended_at),
            ago(r.created_at),
            shortened(r.reason),
        )
        for r in run_list
    ]
    headings = ("run", "project", "commit", "trigger", "state", "took", "queued", "reason")
    emit_table(headings, rows, empty="no runs yet; git push, or falaj run start PROJECT COMMIT")


def start(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    commit: Annotated[str, typer.Argument(help="Full commit id.")],
    settings: SetOption = [],  # noqa: B006
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it ends; exit 1 unless it succeeded.")] = False,
    junit: JunitOption = None,
    timeout: Annotated[
        str, typer.Option(help="With --wait: for how long, such as 2h; a server that is away is asked again meanwhile.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Start a run of a commit on the platform."""
    if (junit is not None or timeout) and not wait:
        raise UsageError(f"{'--timeout' if timeout else '--junit'} is of a run that is waited for", hint="add --wait")
    timeout_s = _timeout(timeout) if timeout else None
    client = open_client()
    queued_run = client.start_run(project, commit, overrides(settings))
    if not json:
        emit(f"run {queued_run.id} is queued" + ("" if wait else f"; falaj run watch {queued_run.id}"))
    succeeded = not wait or follow(client, queued_run.id, quiet=json, timeout_s=timeout_s)
    if junit is not None:
        write_junit(junit, client.run(queued_run.id))
    if json:
        emit_json(client.run(queued_run.id) if wait else queued_run)
    if not succeeded:
        raise typer.Exit(1)


def _timeout(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError:
        raise UsageError(f"--timeout {text}", hint="a duration such as 30m or 2h") from None
    if seconds <= 0:
        raise UsageError(f"--timeout {text}", hint="longer than no time")
    return seconds


def cancel(run_id: Annotated[str, typer.Argument(help="Run id, the beginning of one, or 'last'.")]) -> None:
    """Cancel a run."""
    cancelled_run = open_client().cancel_run(run_id)
    emit(f"run {cancelled_run.id}: {cancelled_run.state}")


def overrides(settings: list[str]) -> dict[str, dict[str, object]]:
    """Parameter overrides by step from `STEP.PARAMETER=VALUE`; values are read as YAML scalars or lists.

    Raises:
        UsageError: One is not of that form.
    """
    step_overrides: dict[str, dict[str, object]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        step, dot, parameter = name.partition(".")
        if not (equals and dot and step and parameter):
            raise UsageError(f"--set {setting}", hint="write STEP.PARAMETER=VALUE, e.g. fit.learning_rate=0.05")
        step_overrides.setdefault(step, {})[parameter] = _value(setting, value)
    return step_overrides


def _value(setting: str, text: str) -> object:
    """A scalar or list as YAML writes it, of what JSON can carry."""
    import yaml

    try:
        value = yaml.safe_load(text)
        json.dumps(value)
    except (yaml.YAMLError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--set {setting}: {reason}", hint="quote text: 'fit.day=\"2026-01-01\"'") from error
    return value
