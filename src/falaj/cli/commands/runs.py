"""Runs: of this checkout, and of the platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.commands.projects import JsonOption
from falaj.cli.output import ago, duration, emit, emit_json, emit_table, shortened
from falaj.core.errors import RunFailedError, UsageError

if TYPE_CHECKING:
    from falaj.sdk import Client

RunArgument = Annotated[str, typer.Argument(help="Run id, the beginning of one, or 'last'.")]
SetOption = Annotated[list[str], typer.Option("--set", help="STEP.PARAMETER=VALUE, as often as needed.")]


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("-C", "--folder", help="Project folder.")] = Path(),
    settings: SetOption = [],  # noqa: B006 - Typer reads it once and copies
    json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
) -> None:
    """Run the project in this checkout, without a server; unchanged steps are cache hits."""
    if context.invoked_subcommand:
        return
    from falaj.cli.progress import Progress
    from falaj.control.runs.local import run_checkout
    from falaj.core.home import Home

    progress = Progress(quiet=quiet or json)
    outcome = run_checkout(folder, Home.from_environment(), overrides(settings), progress.show)
    if json:
        emit_json(outcome.to_json())
    else:
        progress.finish(outcome.state, outcome.reason)
    if not outcome.ok:
        raise typer.Exit(1)


def list_runs(
    project: Annotated[str, typer.Option(help="Of this project only.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    condition: Annotated[str, typer.Option("--filter", help="Such as 'gate.brier < 0.2 and param.depth > 3'.")] = "",
    json: JsonOption = False,
) -> None:
    """List the newest runs."""
    from falaj.sdk import Client

    run_list = Client.from_home().runs(project or None, limit, condition)
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


def show(context: typer.Context, run_id: RunArgument = "last", json: JsonOption = False) -> None:
    """Show a run with its steps, checks and gates; the last one is that of the project in this folder."""
    from falaj.cli.current_run import named_run
    from falaj.cli.progress import print_tree

    selected_run = named_run(run_id, _folder(context)).run
    if json:
        emit_json(selected_run)
    else:
        print_tree(selected_run)


def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help="Run id, or the beginning of one.")],
    second: RunArgument = "last",
    html: Annotated[Path | None, typer.Option(help="Write a page to this new file as well.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what differs between two runs: parameters, data, reports, gates and code."""
    from falaj.cli.current_run import named_run
    from falaj.schemas.run_comparison import compare_runs, shown, to_html

    folder = _folder(context)
    runs = named_run(first, folder).run, named_run(second, folder).run
    facts = compare_runs(*runs)
    code = code_difference(folder, runs[0].commit, runs[1].commit)
    if html is not None:
        _write_new(html, to_html(runs[0], runs[1], facts, code))
    if json:
        fact_rows = [{"name": each.name, "first": each.first, "second": each.second} for each in facts]
        emit_json({"runs": [run.id for run in runs], "facts": fact_rows, "code": code})
        return
    rows = [
        (each.name, shown(each.first), shown(each.second), "" if each.change in (None, 0) else f"{each.change:+.6g}")
        for each in facts if everything or not each.same
    ]  # fmt: skip
    emit_table(("", runs[0].id, runs[1].id, "change"), rows, empty="nothing that is known of them differs")
    if code:
        emit(code)


def code_difference(folder: Path, first: str, second: str) -> str:
    """The files that differ between two commits, where the repository of a folder has both; else empty."""
    import subprocess

    commits = [commit.removesuffix("-dirty") for commit in (first, second)]
    if commits[0] == commits[1]:
        return ""
    command = ["git", "-C", str(folder), "diff", "--stat", "--end-of-options", *commits]
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return process.stdout.rstrip() if process.returncode == 0 else ""


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"the page cannot be written: {error.strerror}", where=str(path)) from error


def watch(context: typer.Context, run_id: RunArgument = "last") -> None:
    """Follow a run until it ends; exit 1 unless it succeeded."""
    from falaj.cli.current_run import named_run
    from falaj.cli.progress import Progress, print_tree

    run_handle = named_run(run_id, _folder(context))
    if run_handle.client is None:
        print_tree(run_handle.run)
        succeeded = run_handle.run.state == "succeeded"
    else:
        succeeded = _follow(run_handle.client, run_handle.run.id, Progress(quiet=False))
    if not succeeded:
        raise typer.Exit(1)


def _folder(context: typer.Context) -> Path:
    """The project's folder: what `-C` says, else this one."""
    above = context.parent.params if context.parent else {}
    return Path(above.get("folder") or ".")


def start(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    commit: Annotated[str, typer.Argument(help="Full commit id.")],
    settings: SetOption = [],  # noqa: B006
    json: JsonOption = False,
) -> None:
    """Start a run of a commit on the platform."""
    from falaj.sdk import Client

    queued_run = Client.from_home().start_run(project, commit, overrides(settings))
    emit_json(queued_run) if json else emit(f"run {queued_run.id} is queued; falaj run watch {queued_run.id}")


def cancel(run_id: RunArgument) -> None:
    """Cancel a run."""
    from falaj.sdk import Client

    cancelled_run = Client.from_home().cancel_run(run_id)
    emit(f"run {cancelled_run.id}: {cancelled_run.state}")


def logs(
    context: typer.Context,
    run_id: RunArgument = "last",
    step: Annotated[str, typer.Argument(help="A step; without it every step.")] = "",
) -> None:
    """Print what the steps of a run wrote."""
    from falaj.cli.current_run import named_run

    named = named_run(run_id, _folder(context))
    selected_run = named.run
    names = [step] if step else [item.node for item in selected_run.steps if item.kind == "step"]
    for name in names:
        if not step:
            emit(f"--- {name}")
        emit(named.log(name).rstrip("\n"))


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
    import json

    import yaml

    try:
        value = yaml.safe_load(text)
        json.dumps(value)
    except (yaml.YAMLError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--set {setting}: {reason}", hint="quote text: 'fit.day=\"2026-01-01\"'") from error
    return value


def _follow(client: Client, run_id: str, progress: object) -> bool:
    from falaj.cli.progress import Progress

    assert isinstance(progress, Progress)
    for event in client.events(f"run/{run_id}"):
        progress.show_stored(event)
        if event.kind == "run.ended":
            progress.finish(event.data["state"], event.data.get("reason", ""))
            return bool(event.data["state"] == "succeeded")
    raise RunFailedError("the server closed the stream", hint=f"falaj run watch {run_id} goes on")
