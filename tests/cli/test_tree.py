"""One module of commands is built for a call, and it is the right one."""

from __future__ import annotations

from importlib import import_module

import pytest
import typer
from typer.main import get_command

from falaj.cli.main import application
from falaj.cli.tree import COMMANDS, VALUED, modules_for
from tests.cli.conftest import Command


@pytest.mark.parametrize("module", COMMANDS)
def test_the_table_names_what_a_module_has(module: str) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    import_module(f"falaj.cli.commands.{module}").register(app)
    assert set(get_command(app).commands) == set(COMMANDS[module])  # type: ignore[attr-defined]


def test_every_command_belongs_to_one_module() -> None:
    names = [name for names in COMMANDS.values() for name in names]
    assert len(names) == len(set(names)) == len(get_command(application()).commands)  # type: ignore[attr-defined]


def test_the_options_with_a_value_are_those_of_every_command() -> None:
    named = {name for option in get_command(application(())).params if not option.is_flag for name in option.opts}  # type: ignore[attr-defined]
    assert {name for name in named if name not in ("--install-completion", "--show-completion")} == set(VALUED)


@pytest.mark.parametrize(
    ("line", "modules"),
    [
        ("runs show", ("runs",)),
        ("--debug runs --json", ("runs",)),
        ("--as audit whoami", ("identity",)),
        ("--home runs models", ("releases",)),
        ("--home=runs models", ("releases",)),
        ("runs --help", ("runs",)),
        ("--version", ()),
        ("--help", tuple(COMMANDS)),
        ("--help runs", tuple(COMMANDS)),
        ("", tuple(COMMANDS)),
        ("--home", tuple(COMMANDS)),
        ("rnus", tuple(COMMANDS)),
    ],
)
def test_a_line_needs_the_module_of_its_command(line: str, modules: tuple[str, ...]) -> None:
    assert modules_for(line.split()) == modules


def test_the_version_is_told_and_a_command_that_is_none_is_refused(falaj: Command) -> None:
    assert falaj("--version").stdout.startswith("falaj ")
    refused = falaj("rnus")
    assert refused.returncode == 2 and "rnus" in refused.stderr
    assert "rollout" in falaj("--help").stdout and falaj().returncode == 2
