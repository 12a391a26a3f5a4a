"""The evidence of a run: each claim held against what the store gives, then signed by the role that may say it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from falaj.build.checks.lockfiles import locked_packages
from falaj.build.checks.model_files import declared_libraries, scan
from falaj.control.notary.attestation import Attestation, ScoredTable
from falaj.control.notary.errors import DoesNotRecomputeError, NotBelievableError
from falaj.control.notary.gates import judged_again
from falaj.core.errors import FalajError
from falaj.core.venv.environment import environment_digest, has_own_packages, lock_digest, lockfile_of
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import ArtifactStore, Digest, parse_digest
from falaj.supply_chain.attestations.predicates import LIBRARIES, OWN, WORKER

MODEL_FILES = "model-files"
"""The check that reads what is in the model's files."""


def signed(
    claims: Attestation,
    tables: Mapping[str, ScoredTable],
    store: ArtifactStore,
    keyring: attestations.Keyring,
    scratch: Path,
) -> list[tuple[str, Mapping[str, Any]]]:
    """Sign the evidence of a run, once each claim holds.

    Args:
        claims: What the worker says.
        tables: Answers and labels of the gates.
        store: Has all that digests name.
        keyring: Signs.
        scratch: Folder of the run, where files are looked at.

    Returns:
        Predicate type and envelope each: datasets first, then provenance, train, eval, tests, scan and the bill.

    Raises:
        DoesNotRecomputeError: A claim is not what is found here.
        NotBelievableError: A verifier would not believe the release.
    """
    claims = _of_one_run(claims)
    _require_selection(claims)
    _require_datasets(claims, store)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="notary-", dir=scratch) as folder:
        claims = _with_lock(claims, store, Path(folder))
        content, code = _scanned(claims, store, Path(folder))
        claims = msgspec.structs.replace(claims, content=content)
    gates, champion = judged_again(claims, tables)
    statements = [*statements_of(claims, gates, champion, code)]
    envelopes: list[tuple[str, Mapping[str, Any]]] = [
        (kind, attestations.sign_statement(each, keyring.signer_for(kind)))
        for each in statements
        if (kind := each.predicate_type)
    ]
    _require_believable(claims, envelopes, keyring)
    return envelopes


def _of_one_run(claims: Attestation) -> Attestation:
    """Everything that names a run, commit or model names the same ones."""
    parts: list[Any] = [claims.provenance, claims.train, claims.bill]
    expected = {"run": claims.run, "commit": claims.commit, "model": claims.model, "digest": claims.digest}
    for part in parts:
        for name, value in expected.items():
            if getattr(part, name, value) != value:
                raise DoesNotRecomputeError(f"the {type(part).__name__.lower()} is of another {name}")
    return claims


def _require_selection(claims: Attestation) -> None:
    """What was selected is the best by the scores, and no gate judges on the rows that were used to select."""
    selection = claims.train.selection
    if selection is None:
        return
    scores = {each.name: each.score for each in selection.candidates if each.score is not None}
    best = (max if selection.better == "greater" else min)(scores.values(), default=None)
    if best is None or scores.get(selection.best) != best:
        raise DoesNotRecomputeError(f"{selection.best} is not the best of the candidates", where=selection.text)
    used = {each.table for each in selection.candidates if each.table}
    tables = {name: digest for name, digest in claims.circumstances.outputs.items() if digest in used}
    gate = next((claim.spec.text for claim in claims.gates if claim.spec.data in tables), None)
    if gate is not None:
        raise DoesNotRecomputeError(f"the gate `{gate}` judges on rows that were used to select", where=selection.text)


def _require_datasets(claims: Attestation, store: ArtifactStore) -> None:
    """Number and size of the files of each snapshot are those of the store."""
    for snapshot, dataset in claims.datasets:
        manifest = _manifest(store, snapshot.digest, f"the snapshot {snapshot.name}")
        if (dataset.files, dataset.size) != (len(manifest.files), manifest.size):
            file_summary = f"{len(manifest.files)} files of {manifest.size} bytes"
            raise DoesNotRecomputeError(f"the snapshot {snapshot.name} has {file_summary}", where=snapshot.digest)


def _manifest(store: ArtifactStore, digest: str, what: str) -> Any:
    try:
        return store.manifest(parse_digest(digest))
    except FalajError as error:
        raise DoesNotRecomputeError(f"{what} is not in the store: {error.message}", where=digest) from error


def _fetched(store: ArtifactStore, digest: str, target: Path, what: str) -> Path:
    try:
        return store.fetch(Digest(digest), target)
    except FalajError as error:
        raise DoesNotRecomputeError(f"{what} cannot be read: {error.message}", where=digest) from error


def _with_lock(claims: Attestation, store: ArtifactStore, folder: Path) -> Attestation:
    """The packages and the environment are those of the lockfile in the store."""
    provenance = claims.provenance
    if (claims.lock is None) != (provenance.environment is None):
        raise DoesNotRecomputeError("the provenance names an environment, or there is a lockfile, but not both")
    if claims.lock is None:
        if claims.bill.packages or provenance.reproducible:
            raise DoesNotRecomputeError("without a lockfile nothing says which packages there were")
        return claims
    lock = _fetched(store, claims.lock, folder / "lock", "the lockfile")
    if claims.bill.packages != locked_packages(lock):
        raise DoesNotRecomputeError("the lockfile names other packages than the bill of materials", where=claims.lock)
    computed = _environment(lock, claims.interpreter)
    if computed is not None and computed != provenance.environment:
        raise DoesNotRecomputeError("the lockfile gives another environment", where=claims.lock)
    recomputed = ("snapshots", *(("environment",) if computed else ()))
    return msgspec.structs.replace(claims, provenance=replace(provenance, recomputed=recomputed))


def _environment(lock: Path, interpreter: str) -> str | None:
    """The digest of the environment; None where packages of it lie in the project's folder and not in the lock."""
    name = lockfile_of(lock)
    if name is None or has_own_packages(lock, name):
        return None
    return f"sha256:{environment_digest(lock_digest(lock, name), interpreter)}"


def _scanned(
    claims: Attestation, store: ArtifactStore, folder: Path
) -> tuple[tuple[attestations.CheckRecord, ...], str]:
    """The checks of content: that of the model's files as it comes out here, the others as claims; and whose code."""
    claimed = next((each for each in claims.content if each.name == MODEL_FILES), None)
    if claimed is None:
        raise DoesNotRecomputeError("the files of the model were not scanned", where=claims.digest)
    model = _fetched(store, claims.digest, folder / "model", "the model")
    scan_record = check_record(scan(model, claims.own_modules))
    if (scan_record.passed, scan_record.checked, scan_record.findings) != (
        claimed.passed,
        claimed.checked,
        claimed.findings,
    ):
        raise DoesNotRecomputeError(f"the scan of the model's files gives: {scan_record.summary}", where=claims.digest)
    scan_record = replace(scan_record, claimed_by="")
    content = tuple(scan_record if each is claimed else replace(each, claimed_by=WORKER) for each in claims.content)
    return content, OWN if _brings_code(model) else LIBRARIES


def _brings_code(model: Path) -> bool:
    """Whether a model is made of more than the known libraries."""
    has_code = any(path.is_dir() and path.name == "code" for path in model.rglob("*"))
    return has_code or bool(declared_libraries(model)) or not scan(model, ()).passed


def check_record(check: Any) -> attestations.CheckRecord:
    """What evidence says of a check."""
    return attestations.CheckRecord(
        name=check.name,
        passed=check.passed,
        checked=check.checked,
        summary=check.summary,
        values=tuple(asdict(value) for value in check.values),
        tools=check.tools,
        findings=tuple(str(finding) for finding in check.findings),
        claimed_by=WORKER,
    )


def statements_of(
    claims: Attestation, gates: tuple[attestations.GateRecord, ...], champion: dict[str, Any] | None, code: str = ""
) -> Iterator[attestations.Statement]:
    """What is signed: claims with whose word they are, and what the notary found.

    Args:
        claims: Of the worker.
        gates: As they came out here.
        champion: The comparison with the live release, likewise.
        code: Whose code is loaded with the model.
    """
    about, run, commit = [(claims.model, claims.digest)], claims.run, claims.commit
    for snapshot, dataset in claims.datasets:
        yield attestations.statement(attestations.DATASET, [(snapshot.name, snapshot.digest)], dataset.as_dict())
    yield attestations.statement(
        attestations.PROVENANCE, about, replace(claims.provenance, claimed_by=WORKER).as_dict()
    )
    yield attestations.statement(attestations.TRAIN, about, replace(claims.train, claimed_by=WORKER).as_dict())
    evaluation = attestations.Eval(run, commit, gates, claims.circumstances.live, champion, claimed_by=WORKER)
    yield attestations.statement(attestations.EVAL, about, evaluation.as_dict())
    behaviour = tuple(replace(each, claimed_by=WORKER) for each in claims.behaviour)
    yield attestations.statement(attestations.TESTS, about, attestations.Tests(run, commit, behaviour).as_dict())
    yield attestations.statement(
        attestations.SCAN, about, attestations.Scan(run, commit, claims.content, code=code).as_dict()
    )
    if claims.backtest_model and claims.comparison:
        backtest_model = [(f"{claims.model}, backtest model", claims.backtest_model)]
        yield attestations.statement(
            attestations.COMPARISON, backtest_model, replace(claims.comparison, claimed_by=WORKER).as_dict()
        )
    yield attestations.statement(attestations.MLBOM, about, replace(claims.bill, gates=gates).as_dict())


def _require_believable(
    claims: Attestation, envelopes: list[tuple[str, Mapping[str, Any]]], keyring: attestations.Keyring
) -> None:
    """Refuse what agents would refuse, so that it never gets a number."""
    release = attestations.BundledRelease(claims.model, 0, claims.digest, claims.run, claims.commit)
    bundle = attestations.bundle_of(release, [dict(envelope) for _, envelope in envelopes])
    checked = attestations.verify_release(bundle, keyring.trusted(), Path(), digest_of=lambda _: claims.digest)
    if checked.problems:
        raise NotBelievableError("; ".join(problem.message for problem in checked.problems))
