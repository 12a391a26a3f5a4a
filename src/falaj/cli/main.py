"""The `falaj` command: its tree of commands and how errors end it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from falaj import __version__
from falaj.cli.tree import COMMANDS, modules_for
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from falaj.config.errors import ProjectError


def application(modules: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command with the commands of some modules of `commands`.

    Building all of them takes longer than most of them take to answer.
    """
    app = typer.Typer(
        name="falaj",
        help="From a git commit to governed production and back.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    for module in modules:
        import_module(f"falaj.cli.commands.{module}").register(app)
    return app


def _say_version(show_version: bool) -> None:
    if show_version:
        typer.echo(f"falaj {__version__}")
        raise typer.Exit


def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    home: Annotated[str, typer.Option(help="Folder of the installation.", envvar="FALAJ_HOME")] = "",
    profile: Annotated[str, typer.Option("--as", help="Act as this person.", envvar="FALAJ_PROFILE")] = "",
    version: Annotated[  # noqa: ARG001 - its callback has answered
        bool, typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ["FALAJ_DEBUG"] = "1"
    if home:
        os.environ["FALAJ_HOME"] = home
    if profile:
        os.environ["FALAJ_PROFILE"] = profile


def main() -> None:
    """Run the command line; a `FalajError` becomes three lines and its exit code."""
    os.umask(0o077)  # nothing of an installation is for others on the machine
    completing = any(name.endswith("_COMPLETE") for name in os.environ)
    try:
        application(COMMANDS if completing else modules_for(sys.argv[1:]))()
    except FalajError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _end(error: FalajError) -> None:
    from falaj.cli.output import emit_error
    from falaj.config.errors import ProjectError

    if os.environ.get("FALAJ_DEBUG"):
        raise error
    lines = _issue_lines(error) if isinstance(error, ProjectError) else _lines(error)
    for line in lines:
        emit_error(line)
    sys.exit(error.exit_code)


def _lines(error: FalajError) -> list[str]:
    place = [f"  at: {error.where}"] if error.where else []
    return [f"error: {error.message}", *place, f"  fix: {error.hint}" if error.hint else f"  code: {error.code}"]


def _issue_lines(error: ProjectError) -> list[str]:
    """Every mistake as `file:line:column: ...`, which editors and terminals make into a link, then the count."""
    count = len(error.issues)
    return [*map(str, error.issues), f"error: the {error.file} has {count} mistake{'s' if count > 1 else ''}"]


if __name__ == "__main__":
    main()
