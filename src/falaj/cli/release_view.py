"""A release on the terminal, and its bundle for offline verification."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from falaj import api, evidence
from falaj.artifacts import open_home_store, parse_digest
from falaj.cli.output import ago, emit, styled
from falaj.errors import NotFoundError
from falaj.home import Home


def print_release(release: api.Release, envelopes: list[dict[str, Any]]) -> None:
    """Print where a release comes from, its gates and checks with values, and its evidence."""
    emit(styled(f"{release.model}@{release.number}", "bold") + f"  {release.state}, made {ago(release.created_at)}")
    emit(f"  model    {release.digest}")
    emit(f"  run      {release.run_id}   commit {release.commit}")
    emit(f"  serving  {release.data.get('packaging', '')}")
    if not release.data.get("reproducible", True):
        emit("  not reproducible: there is no lockfile, or the checkout had changes")
    for name, digest in sorted(release.data.get("snapshots", {}).items()):
        emit(f"  data     {name} {digest}")
    for gate in release.data.get("gates", []):
        emit(f"  gate     {gate['text']}: {gate['reason']}")
    for check in release.data.get("checks", []):
        emit(f"  check    {check['name']}: {check['summary']}")
    emit(f"  evidence {', '.join(_kind(envelope) for envelope in envelopes)}")


def export_bundle(home: Home, release: api.Release, envelopes: list[dict[str, Any]], folder: Path) -> None:
    """Write a folder that `falaj verify` checks with nothing but it and the trusted keys."""
    claim = evidence.Release(release.model, release.number, release.digest, release.run_id, release.commit)
    keys = [key.pem for key in _own_keys(home).values()]
    evidence.write_bundle(folder, evidence.bundle_of(claim, envelopes), public_keys=keys)
    open_home_store(home).fetch(parse_digest(release.digest), folder / "model")


def verify(home: Home, name: str, keys: Path | None) -> evidence.Verification:
    """Verify a bundle on disk, or a release of the platform from the bytes in its store.

    Raises:
        NotFoundError: There are no keys to believe (`evidence.no-keys`).
    """
    trusted = evidence.read_trusted_keys(keys) if keys else _own_keys(home)
    if Path(name).is_dir():
        return evidence.verify_release(Path(name), trusted)
    from tempfile import TemporaryDirectory

    from falaj.client import Client

    client = Client.from_home(home)
    release = client.release(name)
    with TemporaryDirectory() as folder:
        export_bundle(home, release, client.evidence(name), Path(folder) / "bundle")
        return evidence.verify_release(Path(folder) / "bundle", trusted)


def _own_keys(home: Home) -> Mapping[str, evidence.TrustedKey]:
    if not home.keys.exists():
        raise NotFoundError(
            "there are no keys to believe", where=str(home.keys), hint="name them with --keys", code="evidence.no-keys"
        )
    return evidence.open_keyring(home.keys).trusted()


def evidence_line(verified: evidence.Verified) -> str:
    """What a verified statement is and about which artifacts."""
    kind = verified.statement.predicate_type.rsplit("/", 2)[-2]
    subjects = ", ".join(f"{subject.name} {subject.digest[:19]}" for subject in verified.statement.subjects)
    return f"{kind:10}  {subjects}"


def _kind(envelope: dict[str, Any]) -> str:
    statement = json.loads(base64.b64decode(envelope["payload"]))
    return str(statement["predicateType"]).rsplit("/", 2)[-2]
