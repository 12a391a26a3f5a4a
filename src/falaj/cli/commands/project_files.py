"""Project files: init, validate, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.config import create_project, json_schema, load_project
from falaj.config.ci_files import PATHS, ci_text, write_ci_file
from falaj.config.platform_file import platform_json_schema
from falaj.config.readiness import missing_for_release, requirements


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to create, or of a repository that there is.")] = Path(),
    name: Annotated[
        str, typer.Option(help="Name of the model; by default that in pyproject.toml, or the folder's.")
    ] = "",
    template: Annotated[
        str,
        typer.Option(
            help="binary, multiclass, regression, text, forecasting, or blank, which goes into a repository that there "
            "is."
        ),
    ] = "binary",
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Write nothing; say what the folder still needs, exit 1 if anything.")
    ] = False,
) -> None:
    """Create a working project from a template, or show what a folder needs to be one."""
    if check_only:
        _say_what_is_missing(folder)
        return
    created = create_project(folder, name, template)
    emit(f"created {folder} with {len(created)} files")
    enter = "" if folder == Path() else f"cd {folder} && "
    start = "" if (folder / ".git").exists() else "git init -b main && "
    emit(f"next: {enter}uv lock && {start}git add -A && git commit -m 'First' && falaj run")


def _say_what_is_missing(folder: Path) -> None:
    requirement_list = requirements(folder)
    rows = [
        (
            each.name,
            "ok" if each.met else "optional" if each.optional else "missing",
            each.detail,
            "" if each.met else each.fix,
        )
        for each in requirement_list
    ]
    emit_table(("what", "state", "seen", "fix"), rows, empty="")
    if any(not each.met and not each.optional for each in requirement_list):
        raise typer.Exit(1)


def validate(
    folder: Annotated[Path, typer.Argument(help="Project folder or falaj.yaml.")] = Path(),
    json: JsonOption = False,
) -> None:
    """Check a project file without running anything."""
    spec = load_project(folder).to_spec()
    if json:
        emit_json(spec.to_json())
    else:
        counts = f"{len(spec.steps)} steps, {len(spec.checks)} checks, {len(spec.gates)} gates"
        emit(f"{folder}: model {spec.model}, {counts}: valid")
        for missing in missing_for_release(spec):
            emit(f"a run of it makes a model that cannot be released, {missing}")


def ci_init(
    system: Annotated[str, typer.Argument(help="github, gitlab or jenkins.")],
    folder: Annotated[Path, typer.Option("-C", "--folder", help="Top of the repository.")] = Path(),
    project: Annotated[str, typer.Option(help="Its name on the platform; the model's by default.")] = "",
    print_it: Annotated[bool, typer.Option("--print", help="Print the file instead.")] = False,
) -> None:
    """Write the file by which a CI system checks the project and starts its runs; one that exists stays as it is."""
    name = project or load_project(folder).to_spec().model
    if print_it and system in PATHS:
        emit(ci_text(system, name), end="", wrap=False)
        return
    emit(f"wrote {write_ci_file(folder, system, name)}; its first lines say what to set there")


def schema(
    platform: Annotated[bool, typer.Option("--platform", help="That of platform.yaml.")] = False,
) -> None:
    """Print the JSON Schema of falaj.yaml, for editors."""
    emit_json(platform_json_schema() if platform else json_schema())
