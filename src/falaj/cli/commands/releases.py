"""Releases: releases, release, models, verify, artifacts, gc."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.commands.projects import JsonOption
from falaj.cli.output import ago, emit, emit_json, emit_table

NameArgument = Annotated[str, typer.Argument(help="MODEL@NUMBER, or MODEL for the latest.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Releases; alone, a list of the newest.", invoke_without_command=True)
    group.callback()(list_releases)
    for event, text in _EVENTS.items():
        group.command(event, help=text)(_ending(event))
    app.add_typer(group, name="releases")
    app.command("release")(show)
    app.command("models")(models)
    app.command()(verify)
    app.command()(artifacts)
    app.command("gc")(collect)


_EVENTS = {
    "archive": "Put a release away that serves nowhere.",
    "restore": "Bring an archived release back.",
    "retire": "End a release that serves nowhere, for good.",
    "revoke": "Forbid a release for ever: every location stops serving it.",
}


def list_releases(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    json: JsonOption = False,
) -> None:
    """List the newest releases."""
    if context.invoked_subcommand:
        return
    from falaj.sdk import Client

    release_list = Client.from_home().releases(model or None)
    if json:
        emit_json(release_list)
        return
    rows = [
        (f"{r.model}@{r.number}", r.state, r.commit[:10], r.digest[:19], r.run_id, ago(r.created_at))
        for r in release_list
    ]
    emit_table(("release", "state", "commit", "digest", "run", "made"), rows, empty="no releases yet")


def show(
    name: NameArgument,
    export: Annotated[Path | None, typer.Option(help="Write a bundle for offline verification here.")] = None,
    json: JsonOption = False,
) -> None:
    """Show a release: where it comes from, its gates with values, its evidence."""
    from falaj.cli.bundles import export_bundle
    from falaj.cli.release_view import print_release
    from falaj.core.home import Home
    from falaj.sdk import Client

    client = Client.from_home()
    release = client.release(name)
    envelopes = client.evidence(name)
    if export:
        export_bundle(Home.from_environment(), release, client.bundles.of(name), export)
        emit(f"wrote {export}: falaj verify {export} checks it anywhere")
    elif json:
        emit_json(release)
    else:
        print_release(release, envelopes)


def _ending(event: str) -> Callable[..., None]:
    def end(
        name: Annotated[str, typer.Argument(help="MODEL@NUMBER.")],
        reason: Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the audit log.")],
        json: JsonOption = False,
    ) -> None:
        from falaj.sdk import Client

        release = Client.from_home().changes.end(event, name, reason)
        if json:
            emit_json(release)
        else:
            emit(f"{release.model}@{release.number} is {release.state}")

    return end


def models(json: JsonOption = False) -> None:
    """List the models, with their newest release and where they are live."""
    from falaj.sdk import Client

    client = Client.from_home()
    newest: dict[str, int] = {}
    for release in client.releases():
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


def verify(
    release: Annotated[str, typer.Argument(help="MODEL@NUMBER, or the folder of an exported bundle.")],
    keys: Annotated[Path | None, typer.Option(help="File of trusted public keys; by default the home's.")] = None,
    environment: Annotated[str, typer.Option(help="May it serve in this environment?")] = "",
    location: Annotated[str, typer.Option(help="At this location.")] = "local",
    jurisdiction: Annotated[
        str | None, typer.Option(help="Of the location, such as AE; by default what the admission says.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check every digest and signature of a release; exit 5 when anything is wrong.

    With --environment it is also asked whether it may serve there now: admission, approvals, audit log, place, time.
    """
    import time

    from falaj.cli.bundles import ServingTarget, evidence_line
    from falaj.cli.bundles import verify as check
    from falaj.core.home import Home

    serving = ServingTarget(environment, location, jurisdiction, time.time()) if environment else None
    verification = check(Home.from_environment(), release, keys, serving)
    if json:
        problems = [str(problem) for problem in verification.problems]
        emit_json({"ok": verification.ok, "problems": problems, "claimed": list(verification.claimed)})
    else:
        for verified in verification.statements:
            emit(f"ok       {evidence_line(verified)}")
        for words in verification.claimed:
            emit(f"claimed  {words}")
        for problem in verification.problems:
            emit(f"PROBLEM  {problem}")
        emit("verified" if verification.ok else f"NOT verified: {len(verification.problems)} problems")
    if not verification.ok:
        raise typer.Exit(5)


def artifacts(
    digest: Annotated[str, typer.Argument(help="Digest of an artifact.")],
    to: Annotated[Path | None, typer.Option(help="Copy the artifact to this path.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what an artifact holds, or copy it out; its bytes are checked against the digest."""
    from falaj.core.home import Home
    from falaj.supply_chain.artifacts import open_home_store, parse_digest

    store, name = open_home_store(Home.from_environment()), parse_digest(digest)
    if to:
        emit(f"wrote {store.fetch(name, to)}")
        return
    files = store.manifest(name).files
    if json:
        emit_json([{"path": f.path, "size": f.size, "blob": f.blob} for f in files])
        return
    emit_table(("path", "bytes", "sha256"), [(f.path or "(file)", f.size, f.blob[7:23]) for f in files], empty="empty")


def collect(
    grace: Annotated[float, typer.Option(help="Keep what is younger than so many hours.", min=0.0)] = 24.0,
    json: JsonOption = False,
) -> None:
    """Remove artifacts that no release, run or cached step reaches."""
    from falaj.sdk import Client

    removed = Client.from_home().collect(grace * 3600)
    emit_json(removed) if json else emit(f"removed {removed.blobs} blobs, {removed.bytes / 1e6:.1f} MB")
