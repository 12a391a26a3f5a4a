"""Secrets of a project and of the platform: set, list, remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table
from falaj.core.errors import UsageError

ProjectOption = Annotated[str, typer.Option("--project", "-p", help="The project; by default that of this folder.")]
NameArgument = Annotated[str, typer.Argument(help="Name of the secret and of its variable, such as DB_PASSWORD.")]
FileOption = Annotated[Path | None, typer.Option(help="Read the value from this file.")]


def set_of_project(name: NameArgument, project: ProjectOption = "", file: FileOption = None) -> None:
    """Set a secret; the value is prompted for or read from standard input, never an argument."""
    _set(_project(project), name, file)
    emit(f"{name} is set; a step gets it by `secrets: [{name}]`")


def list_of_project(project: ProjectOption = "", json: JsonOption = False) -> None:
    """List the secrets of a project, without their values."""
    _list(_project(project), json, "falaj project secret set NAME")


def remove_of_project(name: NameArgument, project: ProjectOption = "") -> None:
    """Remove a secret."""
    _remove(_project(project), name)


def set_of_platform(name: NameArgument, file: FileOption = None) -> None:
    """Set a secret; the value is prompted for or read from standard input, never an argument."""
    _set(None, name, file)
    emit(f"{name} is set; platform.yaml names it")


def list_of_platform(json: JsonOption = False) -> None:
    """List the secrets of the platform, without their values."""
    _list(None, json, "falaj platform secret set NAME")


def remove_of_platform(name: NameArgument) -> None:
    """Remove a secret."""
    _remove(None, name)


def _set(project: str | None, name: str, file: Path | None) -> None:
    """Set a secret of a project, or of the platform where there is none."""
    open_client().secrets.set(project, name, _value(file))


def _list(project: str | None, json: bool, hint: str) -> None:
    secret_list = open_client().secrets.list(project)
    if json:
        emit_json(secret_list)
        return
    rows = [(secret.name, clock(secret.updated_at), secret.updated_by) for secret in secret_list]
    emit_table(("secret", "set", "by"), rows, empty=f"no secrets; {hint}")


def _remove(project: str | None, name: str) -> None:
    open_client().secrets.remove(project, name)
    emit(f"{name} is removed")


def _value(file: Path | None) -> str:
    if file is not None:
        return file.read_text().rstrip("\n")
    if sys.stdin.isatty():
        return str(typer.prompt("value", hide_input=True, confirmation_prompt=True))
    return sys.stdin.read().rstrip("\n")


def _project(named: str) -> str:
    """The project that was named, or the one that is called like this folder, or the only one."""
    if named:
        return named
    project_names = [each.name for each in open_client().projects()]
    if Path.cwd().name in project_names:
        return Path.cwd().name
    if len(project_names) == 1:
        return project_names[0]
    raise UsageError(
        "--project is required", hint=f"--project {'|'.join(project_names) or 'NAME'}", code="secret.no-project"
    )
