"""Admission: nothing is served whose bytes or evidence do not hold. Decided here, beside the traffic, offline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from falaj.artifacts.digest import Digest, parse_digest
from falaj.errors import FalajError
from falaj.evidence import (
    TRAIN,
    EvidenceError,
    Release,
    Statement,
    TrustedKey,
    bundle_of,
    read_trusted_keys,
    tree_digest,
    verify_envelope,
    verify_release,
)
from falaj.locations.agent.fetching import Fetcher
from falaj.locations.desired import Endpoint, Servable
from falaj.locations.errors import NotAdmittedError


class Admission:
    """Turns a wanted endpoint into one that may be served.

    Args:
        models: Folder of the verified copies, by digest.
        fetcher: Where the bytes come from.
        keys: Folder of the public keys (`*.pub`, `trusted.json`) whose signatures are believed.
        build_environment: Makes the project environment of a folder with its lockfile; returns the interpreter.
    """

    def __init__(self, models: Path, fetcher: Fetcher, keys: Path, build_environment: Callable[[Path], Path]) -> None:
        self._models = models
        self._fetcher = fetcher
        self._keys = keys
        self._build_environment = build_environment

    def admit(self, endpoint: Endpoint) -> Servable:
        """Check the evidence, fetch the bytes, check them.

        Raises:
            NotAdmittedError: Something does not hold; says what.
            FalajError: The bytes or the environment cannot be had now.
        """
        keys = trusted_keys(self._keys)
        model_dir = self._verified_copy(endpoint.digest)
        require_evidence(endpoint, model_dir, keys)
        return Servable(endpoint, model_dir, self._python(endpoint, model_dir))

    def _verified_copy(self, digest: Digest) -> Path:
        target = self._models / digest.removeprefix("sha256:")
        if target.exists() and not _is(target, digest):
            shutil.rmtree(target)  # changed since it was fetched; a fresh copy is checked below
        if not target.exists():
            self._models.mkdir(parents=True, exist_ok=True)
            self._fetcher.fetch(digest, target)
        if not _is(target, digest):
            shutil.rmtree(target)
            raise NotAdmittedError("the fetched bytes are not what its digest names", where=digest)
        return target

    def _python(self, endpoint: Endpoint, model_dir: Path) -> Path | None:
        """Interpreter of the project environment, unless the model was packaged to need none of it."""
        if endpoint.environment_lock is None or (model_dir / "model.onnx").exists():
            return None
        lock = parse_digest(endpoint.environment_lock)
        return self._build_environment(self._verified_copy(lock))


def trusted_keys(folder: Path) -> Mapping[str, TrustedKey]:
    """Public keys that this location believes, from its own disk and never from the control plane.

    Raises:
        EvidenceError: A key file cannot be read.
    """
    files = sorted([*folder.glob("*.pub"), *folder.glob("trusted.json")])
    return {key_id: key for path in files for key_id, key in read_trusted_keys(path).items()}


def require_evidence(endpoint: Endpoint, model_dir: Path, keys: Mapping[str, TrustedKey]) -> None:
    """Verify all evidence of a release against its bytes.

    Raises:
        NotAdmittedError: With every reason.
    """
    try:
        run, commit = _origin(endpoint, keys)
        claim = Release(endpoint.model, endpoint.release, endpoint.digest, run, commit)
        verify_release(bundle_of(claim, [dict(item) for item in endpoint.evidence]), keys, model_dir).require()
    except FalajError as error:
        raise NotAdmittedError(
            f"{endpoint.name} release {endpoint.release} is not admitted: {error.message}", where=endpoint.digest
        ) from error


def _origin(endpoint: Endpoint, keys: Mapping[str, TrustedKey]) -> tuple[str, str]:
    """Run and commit that the signed training statement names; all other evidence must agree with it."""
    for envelope in endpoint.evidence:
        statement = verify_envelope(dict(envelope), keys, where="evidence")
        if statement.predicate_type == TRAIN and statement.is_about(endpoint.digest):
            return _text(statement, "run"), _text(statement, "commit")
    raise EvidenceError("no signed training evidence is about this model", code="evidence.missing")


def _text(statement: Statement, field: str) -> str:
    value: Any = statement.predicate.get(field)
    if not isinstance(value, str):
        raise EvidenceError(f"the training evidence names no {field}")
    return value


def _is(folder: Path, digest: str) -> bool:
    try:
        return tree_digest(folder) == digest
    except EvidenceError:
        return False
