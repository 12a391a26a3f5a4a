"""Project files and repositories: init, validate, schema, list, add, hook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.output import emit, emit_json, emit_table
from falaj.core.errors import UsageError

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to create, or of a repository that there is.")] = Path(),
    name: Annotated[
        str, typer.Option(help="Name of the model; by default that in pyproject.toml, or the folder's.")
    ] = "",
    template: Annotated[
        str, typer.Option(help="binary, multiclass, regression, or blank, which goes into a repository that there is.")
    ] = "binary",
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Write nothing; say what the folder still needs, exit 1 if anything.")
    ] = False,
) -> None:
    """Create a working project from a template, or show what a folder needs to be one."""
    if check_only:
        _say_what_is_missing(folder)
        return
    from falaj.config import create_project

    created = create_project(folder, name, template)
    emit(f"created {folder} with {len(created)} files")
    enter = "" if folder == Path() else f"cd {folder} && "
    start = "" if (folder / ".git").exists() else "git init -b main && "
    emit(f"next: {enter}uv lock && {start}git add -A && git commit -m 'First' && falaj run")


def _say_what_is_missing(folder: Path) -> None:
    from falaj.config.readiness import requirements

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
    from falaj.config import load_project

    spec = load_project(folder).to_spec()
    if json:
        emit_json(spec.to_json())
    else:
        counts = f"{len(spec.steps)} steps, {len(spec.checks)} checks, {len(spec.gates)} gates"
        emit(f"{folder}: model {spec.model}, {counts}: valid")


def schema(
    platform: Annotated[bool, typer.Option("--platform", help="That of platform.yaml.")] = False,
) -> None:
    """Print the JSON Schema of falaj.yaml, for editors."""
    from falaj.config import json_schema
    from falaj.config.platform_file import platform_json_schema

    emit_json(platform_json_schema() if platform else json_schema())


def list_projects(json: JsonOption = False) -> None:
    """List the repositories that the platform builds."""
    from falaj.sdk import Client

    projects = Client.from_home().projects()
    if json:
        emit_json(projects)
        return
    rows = [(p.name, p.branch, (p.last_commit or "-")[:12], p.repository) for p in projects]
    emit_table(
        ("project", "branch", "commit", "repository"), rows, empty="no projects; falaj project add NAME adds one"
    )


def add(
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    url: Annotated[str, typer.Option(help="A repository elsewhere; without it a bare one is created here.")] = "",
    branch: Annotated[str, typer.Option(help="The branch that is built.")] = "main",
    vendor: Annotated[str, typer.Option(help="github, gitlab or gitea: accepts its webhooks.")] = "",
    secret: Annotated[str, typer.Option(help="Secret of the webhook.", envvar="FALAJ_WEBHOOK_SECRET")] = "",
    poll: Annotated[float, typer.Option(help="Ask the repository every so many seconds; 0 is never.")] = 0.0,
    json: JsonOption = False,
) -> None:
    """Register a repository; print the address to push to, or the webhook to set up."""
    from falaj.core.home import Home
    from falaj.integrations.git import create_remote, remote_path
    from falaj.sdk import Client

    if poll < 0:
        raise UsageError(f"--poll is {poll}", hint="seconds, or 0 for never")
    home = Home.from_environment()
    repository = url or str(remote_path(home, name))
    if vendor and not secret:
        raise UsageError(
            f"webhooks of {vendor} need a secret", hint='--secret "$(openssl rand -hex 24)", and give it to the host'
        )
    settings = {"vendor": vendor or None, "webhook_secret": secret or None, "poll_every_s": poll or None}
    project = Client.from_home(home).register_project(name, repository, branch=branch, **settings)
    if not url:
        create_remote(home, name)  # last: a repository that nobody builds would take pushes and lose them
    if json:
        emit_json(project)
    elif url:
        emit(f"registered {name}: {url} ({branch})")
        if vendor:
            emit(f"webhook: {home.server_url}/api/v1/webhooks/{vendor}/{name}")
    else:
        emit(f"git remote add falaj {repository}")
        emit(f"git push falaj {branch}")


def hook(
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    repository: Annotated[Path, typer.Argument(help="A bare repository of a git server on this machine.")],
    branch: Annotated[str, typer.Option(help="The branch that is built.")] = "main",
) -> None:
    """Register a bare repository of another git server by a post-receive hook."""
    from falaj.core.home import Home
    from falaj.integrations.git import install_hook, require_hookable
    from falaj.sdk import Client

    home = Home.from_environment()
    require_hookable(repository)
    Client.from_home(home).register_project(name, str(repository.resolve()), branch=branch)
    install_hook(home, repository, name)
    emit(f"registered {name}: pushes to {branch} of {repository} start runs")
