"""Figures that the steps of a run left: listed, and copied out of the store. Nothing here opens one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from falaj.build.pipeline.node_files import safe_name
from falaj.cli.commands.run_inspection import RunArgument, folder_of
from falaj.cli.current_run import named_run
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.cli.progress import figure_name
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.schemas.api import Run
from falaj.supply_chain.artifacts import open_home_store, parse_digest


def figures(
    context: typer.Context,
    run_id: RunArgument = "last",
    to: Annotated[Path | None, typer.Option(help="Copy them into this folder, one below it a step.")] = None,
    json: JsonOption = False,
) -> None:
    """List the figures that the steps of a run left, or copy them into a folder."""
    selected_run = named_run(run_id, folder_of(context)).run
    listed = figures_of_run(selected_run)
    if to is not None:
        _copy(listed, to)
    if json:
        emit_json(listed)
        return
    rows = [(each["step"], each["name"], f"{each['bytes']:,}", each["digest"][:19]) for each in listed]
    emit_table(("step", "figure", "bytes", "artifact"), rows, empty=f"no step of run {selected_run.id} left a figure")
    if to is not None and rows:
        emit(f"wrote {to}")


def figures_of_run(run: Run) -> list[dict[str, Any]]:
    """The figures of all steps, each with its step and its name."""
    return [
        {**figure, "step": step.node, "name": figure_name(figure)}
        for step in run.steps
        for figure in step.detail.get("figures") or ()
    ]


def _copy(listed: Sequence[Mapping[str, str]], to: Path) -> None:
    """Write the figures, none over what exists, and none outside of the folder."""
    store = open_home_store(Home.from_environment())
    for figure in listed:
        folder = to / safe_name(figure["step"])
        target = folder / figure["output"] / figure["path"] if figure["output"] != "output" else folder / figure["path"]
        if not target.resolve().is_relative_to(to.resolve()):
            raise UsageError("a figure would be written elsewhere", where=str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("xb") as file:
                file.write(store.read_bytes(parse_digest(figure["digest"]), figure["path"]))
        except FileExistsError:
            raise UsageError("there is such a file already", where=str(target), hint="another folder") from None
