"""Repositories: list, add, hook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.integrations.git import create_remote, install_hook, remote_path, require_hookable


def list_projects(json: JsonOption = False) -> None:
    """List the repositories that the platform builds."""
    projects = open_client().projects()
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
    if poll < 0:
        raise UsageError(f"--poll is {poll}", hint="seconds, or 0 for never")
    home = Home.from_environment()
    repository = url or str(remote_path(home, name))
    if vendor and not secret:
        raise UsageError(
            f"webhooks of {vendor} need a secret", hint='--secret "$(openssl rand -hex 24)", and give it to the host'
        )
    settings = {"vendor": vendor or None, "webhook_secret": secret or None, "poll_every_s": poll or None}
    project = open_client(home).register_project(name, repository, branch=branch, **settings)
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
    home = Home.from_environment()
    require_hookable(repository)
    open_client(home).register_project(name, str(repository.resolve()), branch=branch)
    install_hook(home, repository, name)
    emit(f"registered {name}: pushes to {branch} of {repository} start runs")
