"""What was signed about releases: evidence show, evidence export, model-card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.commands.projects import JsonOption
from falaj.cli.commands.releases import NameArgument
from falaj.cli.output import emit, emit_json, emit_table

KeysOption = Annotated[Path | None, typer.Option(help="File of trusted public keys; by default the home's.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="What was signed about releases.", no_args_is_help=True)
    group.command("show")(show)
    group.command("export")(export)
    app.add_typer(group, name="evidence", rich_help_panel=None)
    app.command("model-card")(model_card)


def show(name: NameArgument, keys: KeysOption = None, json: JsonOption = False) -> None:
    """List every signed statement about a release: what it says, who signed it, where the audit log holds it."""
    from falaj.cli.bundles import statement_rows, trusted
    from falaj.core.home import Home
    from falaj.sdk import Client

    bundle = Client.from_home().bundles.of(name)
    if json:
        emit_json(bundle)
        return
    rows = statement_rows(bundle, trusted(Home.from_environment(), keys))
    emit_table(("statement", "about", "signed by", "log", "problem"), rows, empty="nothing was signed")


def export(
    name: NameArgument, folder: Annotated[Path, typer.Argument(help="Where to write the bundle; made when missing.")]
) -> None:
    """Write a release with all that was signed about it, for verification without a network."""
    from falaj.cli.bundles import export_bundle
    from falaj.core.home import Home
    from falaj.sdk import Client

    client = Client.from_home()
    export_bundle(Home.from_environment(), client.release(name), client.bundles.of(name), folder)
    emit(f"wrote {folder}: falaj verify {folder} checks it anywhere")


def model_card(name: NameArgument, keys: KeysOption = None, json: JsonOption = False) -> None:
    """Print the model card of a release, from its signed bill of materials; with --json as CycloneDX 1.6."""
    from falaj.cli.bundles import bill_of, trusted
    from falaj.cli.model_card import markdown
    from falaj.core.home import Home
    from falaj.sdk import Client

    client = Client.from_home()
    release = client.release(name)
    document = bill_of(client.bundles.of(name), release.digest, trusted(Home.from_environment(), keys))
    if json:
        emit_json(document)
        return
    moved = client.monitoring.recalibrations(release.model)
    mine = [each for each in moved if each.release == release.number]
    emit(markdown(document, f"{release.model}@{release.number}", mine))
