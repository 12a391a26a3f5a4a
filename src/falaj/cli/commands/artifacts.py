"""Artifacts of the store of this installation: show, copy, and the removal of unused ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.core.home import Home
from falaj.supply_chain.artifacts import open_home_store, parse_digest

DigestArgument = Annotated[str, typer.Argument(help="Digest of the artifact.")]


def show(digest: DigestArgument, json: JsonOption = False) -> None:
    """List the files of an artifact."""
    files = open_home_store(Home.from_environment()).manifest(parse_digest(digest)).files
    if json:
        emit_json([{"path": f.path, "size": f.size, "blob": f.blob} for f in files])
        return
    emit_table(("path", "bytes", "sha256"), [(f.path or "(file)", f.size, f.blob[7:23]) for f in files], empty="empty")


def copy(digest: DigestArgument, to: Annotated[Path, typer.Argument(help="File or folder to write.")]) -> None:
    """Copy an artifact out of the store; its bytes are verified against the digest."""
    emit(f"wrote {open_home_store(Home.from_environment()).fetch(parse_digest(digest), to)}")


def collect(
    grace: Annotated[float, typer.Option(help="Keep what is younger than so many hours.", min=0.0)] = 24.0,
    json: JsonOption = False,
) -> None:
    """Remove artifacts that no release, run or cached step uses."""
    removed = open_client().collect(grace * 3600)
    emit_json(removed) if json else emit(f"removed {removed.blobs} blobs, {removed.bytes / 1e6:.1f} MB")
