"""Releases: list, show, verify, export, card, and the ends of a release."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.model_card import markdown
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import ago, emit, emit_json, emit_table
from falaj.cli.paging import first_rows
from falaj.core.errors import UsageError
from falaj.core.home import Home

if TYPE_CHECKING:
    from falaj.sdk import Client
    from falaj.supply_chain.attestations import Verification

KeysOption = Annotated[Path | None, typer.Option(help="File of trusted public keys; by default the home's.")]
NameArgument = Annotated[str, typer.Argument(help="MODEL@NUMBER, or MODEL for the latest.")]


def list_releases(
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    models: Annotated[
        bool, typer.Option("--models", help="Each model with its newest release and where it is live.")
    ] = (False),
    limit: LimitOption = 50,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List the newest releases, or the models."""
    if models:
        _list_models(model, json)
        return
    release_list = first_rows(partial(open_client().releases, model or None), None if everything else limit)
    if json:
        emit_json(release_list)
        return
    rows = [
        (f"{r.model}@{r.number}", r.state, r.commit[:10], r.digest[:19], r.run_id, ago(r.created_at))
        for r in release_list
    ]
    emit_table(("release", "state", "commit", "digest", "run", "created"), rows, empty="no releases yet")


def _list_models(name: str, json: bool) -> None:
    client = open_client()
    newest: dict[str, int] = {}
    for release in client.releases(name or None):
        newest.setdefault(release.model, release.number)
    live = {
        model: [
            f"{e.endpoint.split('/')[0]}@{e.release}" for e in client.endpoints() if e.endpoint.endswith("/" + model)
        ]
        for model in newest
    }
    if json:
        emit_json([{"model": model, "newest": number, "live": live[model]} for model, number in newest.items()])
        return
    rows = [(model, number, ", ".join(live[model]) or "-") for model, number in newest.items()]
    emit_table(("model", "newest", "live"), rows, empty="no models yet")


def show(
    name: NameArgument,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Every signed statement: who signed it, where the audit log holds it.")
    ] = False,
    keys: KeysOption = None,
    json: JsonOption = False,
) -> None:
    """Show a release: its origin, its gates with values, its evidence."""
    from falaj.cli.release_view import print_release

    client = open_client()
    if evidence:
        _show_evidence(client, name, keys, json)
    elif json:
        emit_json(client.release(name))
    else:
        print_release(client.release(name), client.evidence(name))


def _show_evidence(client: Client, name: str, keys: Path | None, json: bool) -> None:
    from falaj.cli.bundles import statement_rows, trusted

    bundle = client.bundles.of(name)
    if json:
        emit_json(bundle)
        return
    rows = statement_rows(bundle, trusted(Home.from_environment(), keys))
    emit_table(("statement", "about", "signed by", "log", "problem"), rows, empty="no signed statements")


def verify(
    release: Annotated[
        str, typer.Argument(help="MODEL@NUMBER, the folder of an exported bundle, or oci://HOST/REPOSITORY@sha256:...")
    ],
    keys: KeysOption = None,
    environment: Annotated[str, typer.Option(help="May it serve in this environment?")] = "",
    location: Annotated[str, typer.Option(help="At this location.")] = "local",
    jurisdiction: Annotated[
        str | None, typer.Option(help="Of the location, such as AE; by default what the admission says.")
    ] = None,
    image_key: Annotated[
        Path | None, typer.Option(help="Public key that signs images, in PEM; by default the home's.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Verify every digest and signature of a release; exit 5 when one is wrong.

    An image is verified in its registry: its bytes, the evidence inside, and its signature.

    With --environment it is also asked whether it may serve there now: admission, approvals, audit log, place, time.
    """
    from falaj.cli import bundles

    home = Home.from_environment()
    if release.startswith(bundles.IMAGE):
        if environment:
            raise UsageError("an image is not asked where it may serve", where=release, hint="leave --environment out")
        verification = bundles.verify_image(home, release, keys, image_key)
    else:
        serving = bundles.ServingTarget(environment, location, jurisdiction, time.time()) if environment else None
        verification = bundles.verify(home, release, keys, serving)
    _print_verification(verification, map(bundles.evidence_line, verification.statements), json)
    if not verification.ok:
        raise typer.Exit(5)


def _print_verification(verification: Verification, lines: Iterable[str], json: bool) -> None:
    if json:
        problems = [str(problem) for problem in verification.problems]
        emit_json({"ok": verification.ok, "problems": problems, "claimed": list(verification.claimed)})
        return
    for line in lines:
        emit(f"ok       {line}")
    for words in verification.claimed:
        emit(f"claimed  {words}")
    for problem in verification.problems:
        emit(f"PROBLEM  {problem}")
    emit("verified" if verification.ok else f"NOT verified: {len(verification.problems)} problems")


def export(
    name: NameArgument, folder: Annotated[Path, typer.Argument(help="Where to write the bundle; made when missing.")]
) -> None:
    """Export a release with all signed statements about it, for verification without a network."""
    from falaj.cli.bundles import export_bundle

    client = open_client()
    export_bundle(Home.from_environment(), client.release(name), client.bundles.of(name), folder)
    emit(f"wrote {folder}: falaj release verify {folder} checks it anywhere")


def model_card(name: NameArgument, keys: KeysOption = None, json: JsonOption = False) -> None:
    """Print the model card of a release, from its signed bill of materials; with --json as CycloneDX 1.6."""
    from falaj.cli.bundles import bill_of, selection_of, trusted

    client = open_client()
    release = client.release(name)
    signed, believed = client.bundles.of(name), trusted(Home.from_environment(), keys)
    document = bill_of(signed, release.digest, believed)
    if json:
        emit_json(document)
        return
    moved = client.monitoring.recalibrations(release.model)
    mine = [each for each in moved if each.release == release.number]
    selection = selection_of(signed, release.digest, believed)
    emit(markdown(document, f"{release.model}@{release.number}", mine, selection), wrap=False)


def _ending(event: str, summary: str) -> Callable[..., None]:
    def end(
        name: Annotated[str, typer.Argument(help="MODEL@NUMBER.")],
        reason: Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the audit log.")],
        json: JsonOption = False,
    ) -> None:
        release = open_client().changes.end(event, name, reason)
        if json:
            emit_json(release)
        else:
            emit(f"{release.model}@{release.number} is {release.state}")

    end.__doc__ = summary
    return end


archive = _ending("archive", "Archive a release that serves nowhere.")
restore = _ending("restore", "Restore an archived release.")
retire = _ending("retire", "Retire a release that serves nowhere, permanently.")
revoke = _ending("revoke", "Revoke a release permanently: every location stops serving it.")
