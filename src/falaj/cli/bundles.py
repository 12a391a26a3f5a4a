"""What was signed about releases: exported, verified and listed on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from falaj.build import images
from falaj.cli.connection import open_client
from falaj.core.errors import NotFoundError
from falaj.core.home import Home
from falaj.schemas import api
from falaj.schemas.evidence import ReleaseBundle
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import open_home_store, parse_digest
from falaj.supply_chain.attestations.model_signature import KEY_FILE

IMAGE = "oci://"
"""How the name of an image begins."""


@dataclass(frozen=True)
class ServingTarget:
    """Where a release would serve: asks for an admission as well.

    Args:
        environment: The environment.
        location: Name of the location.
        jurisdiction: Of the location; None takes what the admission says.
        at: Unix seconds.
    """

    environment: str
    location: str
    jurisdiction: str | None
    at: float


def trusted(home: Home, keys: Path | None) -> Mapping[str, attestations.TrustedKey]:
    """Return the trusted keys: those of a file, or those of this installation.

    Raises:
        NotFoundError: There are no trusted keys (`evidence.no-keys`).
    """
    if keys:
        return attestations.read_trusted_keys(keys)
    if not home.keys.exists():
        raise NotFoundError("no trusted keys", where=str(home.keys), hint="pass --keys FILE", code="evidence.no-keys")
    return attestations.open_keyring(home.keys).trusted()


def export_bundle(home: Home, release: api.Release, signed: ReleaseBundle, folder: Path) -> None:
    """Write a folder that `falaj release verify` checks with nothing but it and the trusted keys."""
    claim = attestations.BundledRelease(release.model, release.number, release.digest, release.run_id, release.commit)
    bundle = attestations.bundle_of(claim, signed.evidence, signed.log, signed.model_signature)
    attestations.write_bundle(folder, bundle, public_keys=[key.pem for key in trusted(home, None).values()])
    if signed.model_signature and (public := home.keys / f"{KEY_FILE}.pub").exists():
        (folder / "keys" / public.name).write_bytes(public.read_bytes())
    open_home_store(home).fetch(parse_digest(release.digest), folder / "model")


def verify(home: Home, name: str, keys: Path | None, serving: ServingTarget | None) -> attestations.Verification:
    """Verify a bundle on disk, or a release of the platform from the bytes in its store.

    Raises:
        NotFoundError: There are no trusted keys (`evidence.no-keys`).
    """
    believed = trusted(home, keys)
    if Path(name).is_dir():
        return _judge(Path(name), believed, serving)
    client = open_client(home)
    with TemporaryDirectory() as folder:
        export_bundle(home, client.release(name), client.bundles.of(name), Path(folder) / "bundle")
        return _judge(Path(folder) / "bundle", believed, serving)


def verify_image(home: Home, name: str, keys: Path | None, image_key: Path | None) -> attestations.Verification:
    """Verify an image in its registry; without a key that signs images, its signature is not looked at.

    Raises:
        NotFoundError: There are no trusted keys (`evidence.no-keys`), or no such image.
        ImageError: It is not an image of a release.
    """
    believed, public = trusted(home, keys), image_key or home.keys / f"{KEY_FILE}.pub"
    key = images.read_public_key(public) if image_key or public.exists() else None
    checked = images.verify_image(images.open_registry(name), believed, key)
    return replace(checked.release, problems=checked.problems)


def _judge(
    folder: Path, keys: Mapping[str, attestations.TrustedKey], serving: ServingTarget | None
) -> attestations.Verification:
    if serving is None:
        return attestations.verify_release(folder, keys)
    return attestations.verify_admission(
        folder, keys, log_key=attestations.log_key_of(keys), last_seen_checkpoint=None, environment=serving.environment,
        location=serving.location, jurisdiction=serving.jurisdiction, now=serving.at,
    )  # fmt: skip


def statement_rows(signed: ReleaseBundle, keys: Mapping[str, attestations.TrustedKey]) -> Iterator[tuple[str, ...]]:
    """Each envelope as a row: what it says, about what, by whose key, where the log holds it, what is wrong."""
    claim = attestations.BundledRelease("", 0, "", "", "")
    bundle = attestations.bundle_of(claim, signed.evidence)
    statements, problems = attestations.verified(bundle, keys)
    wrong = {problem.where: problem.message for problem in problems}
    believed = {item.where: item for item in statements}
    for number, envelope in enumerate(signed.evidence, 1):
        where = f"evidence/{number:02d}.json"
        at = str(signed.log.get("inclusion", {}).get(attestations.envelope_digest(envelope), {}).get("index", "-"))
        if item := believed.get(where):
            signed_statement = item.statement
            about = ", ".join(f"{subject.name} {subject.digest[:19]}" for subject in signed_statement.subjects)
            yield (
                attestations.short(signed_statement.predicate_type),
                about,
                ", ".join(k[:12] for k in item.key_ids),
                at,
                "",
            )
        else:
            yield "?", "", "", at, wrong.get(where, "not believed")


def bill_of(signed: ReleaseBundle, digest: str, keys: Mapping[str, attestations.TrustedKey]) -> Mapping[str, Any]:
    """Return the believed bill of materials of a model.

    Raises:
        NotFoundError: There is none (`evidence.no-mlbom`).
    """
    bill = _believed(signed, digest, keys, attestations.MLBOM)
    if bill is not None:
        return bill
    raise NotFoundError(
        "no believable bill of materials was signed for this release", where=digest,
        hint="a new run of its commit makes one", code="evidence.no-mlbom",
    )  # fmt: skip


def selection_of(signed: ReleaseBundle, digest: str, keys: Mapping[str, attestations.TrustedKey]) -> Mapping[str, Any]:
    """Return how a model was selected among candidates, as the believed statement of its training says; else empty."""
    return selection_in(_believed(signed, digest, keys, attestations.TRAIN) or {})


def selection_in(train: Mapping[str, Any]) -> Mapping[str, Any]:
    """The selection in a statement of a training; empty where nothing was selected."""
    selection = train.get("selection")
    return selection if isinstance(selection, Mapping) else {}


def _believed(
    signed: ReleaseBundle, digest: str, keys: Mapping[str, attestations.TrustedKey], kind: str
) -> Mapping[str, Any] | None:
    """What a believed statement of a kind says about a model; None where there is none."""
    bundle = attestations.bundle_of(attestations.BundledRelease("", 0, "", "", ""), signed.evidence)
    statements = (item.statement for item in attestations.verified(bundle, keys)[0])
    matching = (each.predicate for each in statements if each.predicate_type == kind and each.is_about(digest))
    return next(matching, None)


def evidence_line(verified: attestations.Verified) -> str:
    """What a verified statement is and about which artifacts."""
    subjects = ", ".join(f"{subject.name} {subject.digest[:19]}" for subject in verified.statement.subjects)
    return f"{attestations.short(verified.statement.predicate_type):10}  {subjects}"
