"""The tree of commands as the command-line library calls it: each command is imported when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from falaj.cli.tree import COMMANDS, GROUPS, OPTIONS, SHORT_COMMANDS, children, overview, version_line


class CommandGroup(TyperGroup):
    """A group whose commands are built from the tree when they are needed."""

    path = ""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
        """The words of the group, in the order of the tree."""
        return children(self.path)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command of a word; nothing where the tree has none."""
        return built(f"{self.path} {cmd_name}".strip()) if cmd_name in children(self.path) else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called; where there is none, the error offers the nearest words."""
        self.commands = dict.fromkeys(children(self.path))  # type: ignore[assignment]  # only its words are read
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of the group; of the whole tree, the overview."""
        if self.path:
            super().format_help(ctx, formatter)
        else:
            formatter.write(overview() + "\n")


def application() -> typer.Typer:
    """The `falaj` command."""
    app = _group("", "From a git commit to governed production and back.", add_completion=True)
    app.callback()(options)
    return app


def built(path: str) -> Any:
    """A command or a group of the tree, for the command-line library."""
    path = SHORT_COMMANDS[path].path if path in SHORT_COMMANDS else path
    if path in GROUPS:
        return _built_group(path)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(path.rpartition(" ")[2])(_function(path))
    return get_command(app)


def _built_group(path: str) -> Any:
    alone = path in COMMANDS
    function = _function(path) if alone else _nothing
    app = _group(path, (function.__doc__ or "") if alone else GROUPS[path], alone=alone)
    app.callback()(function)
    return get_command(app)


def _group(path: str, summary: str, *, alone: bool = False, add_completion: bool = False) -> typer.Typer:
    return typer.Typer(
        cls=type(CommandGroup.__name__, (CommandGroup,), {"path": path}),
        name=path.rpartition(" ")[2] or "falaj",
        help=summary,
        no_args_is_help=not alone,
        invoke_without_command=alone,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=add_completion,
    )


def _function(path: str) -> Callable[..., Any]:
    module, _, name = COMMANDS[path].partition(":")
    function: Callable[..., Any] = getattr(import_module(f"falaj.cli.commands.{module}"), name)
    return function


def _nothing() -> None:
    pass


def _print_version(show_version: bool) -> None:
    if show_version:
        typer.echo(version_line())
        raise typer.Exit


def options(
    debug: Annotated[bool, typer.Option("--debug", help=OPTIONS["--debug"])] = False,
    home: Annotated[str, typer.Option(help=OPTIONS["--home"], envvar="FALAJ_HOME")] = "",
    account: Annotated[str, typer.Option(help=OPTIONS["--account"], envvar="FALAJ_ACCOUNT")] = "",
    version: Annotated[  # noqa: ARG001 - its callback has answered
        bool, typer.Option("--version", help=OPTIONS["--version"], callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ["FALAJ_DEBUG"] = "1"
    if home:
        os.environ["FALAJ_HOME"] = home
    if account:
        os.environ["FALAJ_ACCOUNT"] = account
