"""A table beside another one, without a server: profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli import profile_view
from falaj.cli.options import JsonOption
from falaj.cli.output import emit_json
from falaj.cli.tables import read_table

FileArgument = Annotated[Path, typer.Argument(help="A Parquet or CSV file.")]


def profile(
    file: FileArgument,
    reference: Annotated[Path | None, typer.Option(help="Compare with this Parquet or CSV file.")] = None,
    time: Annotated[str, typer.Option(help="Column of times: windows are parts of time, blocks are days.")] = "",
    windows: Annotated[int, typer.Option(min=1, max=60, help="Parts to cut the file into.")] = 12,
    ignore: Annotated[str, typer.Option(help="Columns to leave out, separated by commas.")] = "",
    json: JsonOption = False,
) -> None:
    """Say what is in a table, or how it drifts from another; nothing leaves this machine."""
    ignored = [name.strip() for name in ignore.split(",") if name.strip()]
    table = read_table(file, time, ignored)
    if reference is None:
        description = profile_view.described(table)
        emit_json(description.to_json()) if json else profile_view.show_profile(description)
        return
    compared = profile_view.compared(read_table(reference, time, ignored), table, windows)
    emit_json(compared.to_json()) if json else profile_view.show_comparison(compared)
