"""The `falaj` command: its tree of commands and how errors end it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from falaj.cli.commands import platform, projects, releases, runs, serving
from falaj.errors import FalajError

app = typer.Typer(
    name="falaj",
    help="From a git commit to governed production and back.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    home: Annotated[str, typer.Option(help="Folder of the installation.", envvar="FALAJ_HOME")] = "",
) -> None:
    """Options of every command."""
    if debug:
        os.environ["FALAJ_DEBUG"] = "1"
    if home:
        os.environ["FALAJ_HOME"] = home


for group in (projects, platform, runs, releases, serving):
    group.register(app)


def main() -> None:
    """Run the command line; a `FalajError` becomes three lines and its exit code."""
    try:
        app()
    except FalajError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader such as `head` has gone
        sys.exit(0)


def _end(error: FalajError) -> None:
    from falaj.cli.output import emit_error

    if os.environ.get("FALAJ_DEBUG"):
        raise error
    emit_error(f"error: {error.message}")
    if error.where:
        emit_error(f"  at: {error.where}")
    emit_error(f"  fix: {error.hint}" if error.hint else f"  code: {error.code}")
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
