"""One run: what it did, what it wrote, how it goes on, and how it differs from another."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.current_run import named_run
from falaj.cli.options import JsonOption, JunitOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.cli.progress import Progress, print_tree
from falaj.core.errors import RunFailedError, UnavailableError, UsageError
from falaj.schemas import api
from falaj.schemas.run_comparison import compare_runs, shown, to_html

if TYPE_CHECKING:
    from falaj.sdk import Client

_ASK_AGAIN_S = 1.0

RunArgument = Annotated[str, typer.Argument(help="Run id, the beginning of one, or 'last'.")]


def show(
    context: typer.Context, run_id: RunArgument = "last", junit: JunitOption = None, json: JsonOption = False
) -> None:
    """Show a run with its steps, checks and gates; the last one is that of the project in this folder."""
    selected_run = named_run(run_id, folder_of(context)).run
    if junit is not None:
        write_junit(junit, selected_run)
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
    folder = folder_of(context)
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


def write_junit(path: Path, run: api.Run) -> None:
    """Write the report of a run for a CI system, over that of an earlier run.

    Raises:
        UsageError: The file cannot be written.
    """
    from falaj.cli.junit import to_junit

    try:
        path.write_text(to_junit(run), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error.strerror}", where=str(path)) from error


def watch(context: typer.Context, run_id: RunArgument = "last") -> None:
    """Follow a run until it ends; exit 1 unless it succeeded."""
    run_handle = named_run(run_id, folder_of(context))
    if run_handle.client is None:
        print_tree(run_handle.run)
        succeeded = run_handle.run.state == "succeeded"
    else:
        succeeded = follow(run_handle.client, run_handle.run.id, quiet=False)
    if not succeeded:
        raise typer.Exit(1)


def follow(client: Client, run_id: str, *, quiet: bool, timeout_s: float | None = None) -> bool:
    """Print what happens in a run until it ends; whether it succeeded.

    Args:
        client: Of the server.
        run_id: The run.
        quiet: Print nothing.
        timeout_s: For how long; a server that is away meanwhile is asked again. Without it, nothing is asked again.

    Raises:
        RunFailedError: The server closed the stream, and nothing says how long to wait for it.
        UnavailableError: The time is over, or the server is away; the run goes on.
    """
    progress, last = Progress(quiet=quiet), 0
    with _no_longer_than(timeout_s, run_id):
        while True:
            try:
                for event in client.events(f"run/{run_id}", after=last):
                    last = event.id
                    progress.show_stored(event)
                    if event.kind == "run.ended":
                        if not quiet:
                            progress.finish(event.data["state"], event.data.get("reason", ""))
                        return bool(event.data["state"] == "succeeded")
            except _TimeIsOverError:
                raise
            except (UnavailableError, OSError):
                if timeout_s is None:
                    raise
            if timeout_s is None:
                raise RunFailedError("the server closed the stream", hint=f"falaj run watch {run_id} goes on")
            time.sleep(_ASK_AGAIN_S)


class _TimeIsOverError(UnavailableError):
    """The run has not ended in the time that was given."""

    code = "run.not-ended"


@contextmanager
def _no_longer_than(timeout_s: float | None, run_id: str) -> Iterator[None]:
    """End what is waited for, whatever it is, after a time."""
    if timeout_s is None:
        yield
        return

    def end(*_: object) -> None:
        raise _TimeIsOverError(
            f"the run has not ended in {timeout_s:g} s; it goes on", hint=f"falaj run watch {run_id}"
        )

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def folder_of(context: typer.Context) -> Path:
    """The project's folder: what `-C` says, else this one."""
    above = context.parent.params if context.parent else {}
    return Path(above.get("folder") or ".")


def logs(
    context: typer.Context,
    run_id: RunArgument = "last",
    step: Annotated[str, typer.Argument(help="A step; without it every step.")] = "",
) -> None:
    """Print what the steps of a run wrote."""
    named = named_run(run_id, folder_of(context))
    selected_run = named.run
    names = [step] if step else [item.node for item in selected_run.steps if item.kind == "step"]
    for name in names:
        if not step:
            emit(f"--- {name}")
        emit(named.log(name).rstrip("\n"), wrap=False)
