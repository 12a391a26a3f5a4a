"""Keys at rest, and secrets: keys list, rotate, destroy, rewrap; secrets set, list, remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.commands.projects import JsonOption
from falaj.cli.output import clock, emit, emit_json, emit_table
from falaj.core.errors import ConflictError, UsageError

ProjectOption = Annotated[str, typer.Option("--project", "-p", help="The project; by default that of this folder.")]
PlatformOption = Annotated[bool, typer.Option("--platform", help="Of the platform itself, not of a project.")]
NameArgument = Annotated[str, typer.Argument(help="Name of the secret and of its variable, such as DB_PASSWORD.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="Keys that encrypt what is kept.", no_args_is_help=True)
    keys.command("list")(list_keys)
    keys.command("rotate")(rotate)
    keys.command("destroy")(destroy)
    keys.command("rewrap")(rewrap)
    app.add_typer(keys, name="keys", rich_help_panel=None)
    secrets = typer.Typer(help="Secrets of steps and of the platform.", no_args_is_help=True)
    secrets.command("set")(set_secret)
    secrets.command("list")(list_secrets)
    secrets.command("remove")(remove_secret)
    app.add_typer(secrets, name="secrets", rich_help_panel=None)


def list_keys(json: JsonOption = False) -> None:
    """List the data keys, the destroyed ones too."""
    from falaj.sdk import Client

    key_list = Client.from_home().keys.list()
    if json:
        emit_json(key_list)
        return
    rows = [
        (key.id, key.tenant, key.jurisdiction, key.subject or "-", key.state, key.root, clock(key.changed_at))
        for key in key_list
    ]
    emit_table(("key", "tenant", "jurisdiction", "subject", "state", "root", "since"), rows, empty="no keys yet")


def rotate(
    tenant: Annotated[str, typer.Option(help="Whose data.")] = "default",
    jurisdiction: Annotated[str, typer.Option(help="Of the data; by default the installation's.")] = "",
) -> None:
    """Encrypt with a new key from now on; the ones before it stay for reading."""
    from falaj.sdk import Client

    new_key = Client.from_home().keys.rotate(tenant, jurisdiction or None)
    emit(f"new key {new_key.id} for {new_key.tenant} in {new_key.jurisdiction}")


def destroy(
    key: Annotated[str, typer.Argument(help="Id of the key.")],
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")],
    confirm: Annotated[str, typer.Option(help="The id again, instead of being asked for it.")] = "",
) -> None:
    """Destroy a key and with it all that it encrypted; nothing brings it back."""
    from falaj.sdk import Client

    confirmation = confirm or (
        typer.prompt("this erases data for good; the key's id again") if sys.stdin.isatty() else ""
    )
    if confirmation != key:
        raise UsageError("the id was not repeated", hint=f"--confirm {key}", code="keys.not-confirmed")
    destroyed = Client.from_home().keys.destroy(key, reason)
    emit(f"destroyed key {key}; {destroyed.objects} objects of the artifact store went with it")


def rewrap(
    root: Annotated[str, typer.Argument(help="The new root key: file:/path, pkcs11:... or awskms:...")],
) -> None:
    """Wrap every data key by another root key, while the platform is down; the data stays as it is."""
    from falaj.cli import supervisor
    from falaj.core.home import Home
    from falaj.supply_chain.encryption import open_chest, open_root

    home = Home.from_environment()
    if supervisor.running(home):
        raise ConflictError("the platform is running", hint="falaj down stops it", code="platform.running")
    chest, new = open_chest(home), open_root(root, home.keys, home.settings)
    chest.change(lambda keys: chest.rewrapped(keys, new))
    emit(f"{len(chest.entries())} keys are wrapped by {new.name} now; set FALAJ_ROOT_KEY={root}")


def set_secret(
    name: NameArgument,
    project: ProjectOption = "",
    file: Annotated[Path | None, typer.Option(help="Take the value from this file.")] = None,
    platform: PlatformOption = False,
) -> None:
    """Keep a secret; its value is asked for, or read from standard input, and never an argument."""
    from falaj.sdk import Client

    Client.from_home().secrets.set(_owner(project, platform), name, _value(file))
    use = "platform.yaml names it" if platform else f"a step gets it by `secrets: [{name}]`"
    emit(f"{name} is set; {use}")


def list_secrets(project: ProjectOption = "", json: JsonOption = False, platform: PlatformOption = False) -> None:
    """List the secrets of a project or of the platform; their values are shown to nobody."""
    from falaj.sdk import Client

    secret_list = Client.from_home().secrets.list(_owner(project, platform))
    if json:
        emit_json(secret_list)
        return
    rows = [(secret.name, clock(secret.updated_at), secret.updated_by) for secret in secret_list]
    emit_table(("secret", "set", "by"), rows, empty="no secrets; falaj secrets set NAME")


def remove_secret(name: NameArgument, project: ProjectOption = "", platform: PlatformOption = False) -> None:
    """Forget a secret."""
    from falaj.sdk import Client

    Client.from_home().secrets.remove(_owner(project, platform), name)
    emit(f"{name} is gone")


def _value(file: Path | None) -> str:
    if file is not None:
        return file.read_text().rstrip("\n")
    if sys.stdin.isatty():
        return str(typer.prompt("value", hide_input=True, confirmation_prompt=True))
    return sys.stdin.read().rstrip("\n")


def _owner(named: str, platform: bool) -> str | None:
    """The project whose secret is meant; None for the platform."""
    if platform and named:
        raise UsageError("a secret is of a project or of the platform", hint="--project or --platform, not both")
    return None if platform else _project(named)


def _project(named: str) -> str:
    """The project that was named, or the one that is called like this folder, or the only one."""
    if named:
        return named
    from falaj.sdk import Client

    project_names = [each.name for each in Client.from_home().projects()]
    if Path.cwd().name in project_names:
        return Path.cwd().name
    if len(project_names) == 1:
        return project_names[0]
    raise UsageError("which project?", hint=f"--project {'|'.join(project_names) or 'NAME'}", code="secret.no-project")
