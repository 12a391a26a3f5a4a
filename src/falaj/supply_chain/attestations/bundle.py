"""A release on disk, complete enough to be verified by someone who has nothing else.

release.json         what it claims to be
evidence/*.json      DSSE envelopes
log.json             a checkpoint of the audit log, and the proof that it holds each envelope
model/               the model folder
model.sig            an OpenSSF model signature over the same files, for other tools
keys/*.pub           the signers' public keys, for convenience: a verifier never trusts them from here
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from falaj.supply_chain.attestations.canonical import MAX_BYTES, canonical, parse
from falaj.supply_chain.attestations.envelope import Envelope
from falaj.supply_chain.attestations.errors import EvidenceError

MAX_FILES = 1000


@dataclass(frozen=True)
class BundledRelease:
    """What a bundle claims to be. Everything but the number is checked against signed evidence.

    Args:
        model: Name of the model line.
        number: Number in that line; a label that no evidence of the run can know yet.
        digest: Digest of the model artifact.
        run: Id of the run that made it.
        commit: Full commit id.
    """

    model: str
    number: int
    digest: str
    run: str
    commit: str


@dataclass(frozen=True)
class Bundle:
    """A release and its evidence, unverified.

    Args:
        release: The claim.
        evidence: Envelope bytes by file name.
        folder: Where it was read from; None when it never was on disk.
        unreadable: Evidence that could not be read; reported beside what is wrong with the rest.
        log: Checkpoint and inclusion proofs, as the audit log gives them; empty when there are none.
        model_signature: The OpenSSF model signature, for other tools; nothing here believes it.
    """

    release: BundledRelease
    evidence: Mapping[str, bytes]
    folder: Path | None = None
    unreadable: tuple[EvidenceError, ...] = ()
    log: Mapping[str, Any] = field(default_factory=dict)
    model_signature: Mapping[str, Any] = field(default_factory=dict)


def bundle_of(
    release: BundledRelease,
    envelopes: Iterable[Envelope],
    log: Mapping[str, Any] | None = None,
    model_signature: Mapping[str, Any] | None = None,
) -> Bundle:
    """Return the bundle of a release and its envelopes, such as a server sends them to a location.

    Args:
        release: The claim.
        envelopes: Its evidence, and what was decided about it.
        log: Checkpoint and inclusion proofs of the audit log.
        model_signature: The OpenSSF model signature.
    """
    evidence = {f"{number:02d}.json": canonical(item) for number, item in enumerate(envelopes, 1)}
    return Bundle(release, evidence, log=log or {}, model_signature=model_signature or {})


def write_bundle(folder: Path, bundle: Bundle, *, public_keys: Iterable[str] = ()) -> None:
    """Write `release.json`, `evidence/`, `log.json` and `keys/`; the caller puts the model into `model/`.

    Args:
        folder: Made when missing.
        bundle: What to write.
        public_keys: PEM texts.
    """
    _write(folder / "release.json", canonical(asdict(bundle.release)) + b"\n")
    for name, data in bundle.evidence.items():
        _write(folder / "evidence" / name, data + b"\n")
    if bundle.log:
        _write(folder / "log.json", canonical(dict(bundle.log)) + b"\n")
    if bundle.model_signature:
        _write(folder / "model.sig", canonical(dict(bundle.model_signature)))
    for number, pem in enumerate(public_keys, 1):
        _write(folder / "keys" / f"{number:02d}.pub", pem.encode())


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle without believing it: links are refused, sizes and counts are bounded.

    Raises:
        EvidenceError: `evidence.bundle`, when `release.json` cannot be read or there are too many files.
    """
    release = read_release(_read(folder / "release.json"), where="release.json")
    names = sorted(path.name for path in (folder / "evidence").glob("*.json"))
    if len(names) > MAX_FILES:
        raise _unreadable(f"more than {MAX_FILES} pieces of evidence", folder)
    evidence: dict[str, bytes] = {}
    unreadable: list[EvidenceError] = []
    for name in names:
        try:
            evidence[name] = _read(folder / "evidence" / name)
        except EvidenceError as error:
            unreadable.append(error)
    return Bundle(release, evidence, folder, tuple(unreadable), _read_log(folder))


def _read_log(folder: Path) -> Mapping[str, Any]:
    path = folder / "log.json"
    if not os.path.lexists(path):
        return {}
    match parse(_read(path), where="log.json"):
        case dict() as log:
            return log
        case _:
            raise _unreadable("log.json is not a JSON object", path)


def read_release(data: bytes, *, where: str = "") -> BundledRelease:
    """Read a release claim.

    Raises:
        EvidenceError: `evidence.bundle`.
    """
    try:
        return msgspec.convert(parse(data, where=where), BundledRelease)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"this is not a release: {error}", where=where, code="evidence.bundle") from error


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(error.strerror or "unreadable", path) from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unreadable("not a regular file", path)
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _unreadable(f"more than {MAX_BYTES} bytes", path)
    return data


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _unreadable(reason: str, path: Path) -> EvidenceError:
    return EvidenceError(f"cannot read the bundle: {reason}", where=str(path), code="evidence.bundle")
