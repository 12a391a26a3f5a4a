"""Admission: nothing is served that is not admitted. Decided here, beside the traffic, offline."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.core.errors import FalajError
from falaj.dataplane.agent.fetching import Fetcher
from falaj.dataplane.agent.state_store import Memory, Remembered
from falaj.dataplane.desired_state import DesiredEndpoint, Servable
from falaj.dataplane.errors import NotAdmittedError
from falaj.dataplane.local_policy import read_rules, trusted_keys
from falaj.supply_chain.artifacts.digest import Digest, parse_digest
from falaj.supply_chain.attestations import (
    TRAIN,
    Bundle,
    BundledRelease,
    EvidenceError,
    TrustedKey,
    Verification,
    bundle_of,
    log_key_of,
    tree_digest,
    verify_admission,
    verify_envelope,
)
from falaj.supply_chain.attestations.logproof import sizes

Consistency = Callable[[int, int], Sequence[str]]
"""Asks for the proof that the audit log of the second size continues the one of the first."""


@dataclass(frozen=True)
class Site:
    """Where a location keeps things, and what its name is.

    Args:
        location: Name of the location.
        folder: Its folder: verified copies, memory, its own rules.
        keys: Folder of `trusted.json`, whose keys are believed.
    """

    location: str
    folder: Path
    keys: Path


class Admission:
    """Turns a wanted endpoint into one that may be served.

    Args:
        site: The location.
        memory: Remembers the audit log as it was seen last.
        fetcher: Where the bytes come from.
        consistency: Asks the control plane how its log continues.
        build_environment: Makes the project environment of a folder with its lockfile; returns the interpreter.
        now: The clock, unix seconds.
    """

    def __init__(
        self,
        site: Site,
        memory: Memory,
        fetcher: Fetcher,
        consistency: Consistency,
        build_environment: Callable[[Path], Path],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._site = site
        self._memory = memory
        self._fetcher = fetcher
        self._consistency = consistency
        self._build_environment = build_environment
        self._now = now

    def admit(self, endpoint: DesiredEndpoint) -> Servable:
        """Fetch the bytes, check them and everything that was signed about them; remember the log that was seen.

        Raises:
            NotAdmittedError: Something does not hold; says what.
            FalajError: The bytes, the proof or the environment cannot be had now.
        """
        now, last_checkpoint = self._now(), self._memory.checkpoint()
        servable, verification = self._verified(
            endpoint, self._continued(endpoint.log, last_checkpoint), last_checkpoint, now
        )
        self._memory.keep_checkpoint(verification.checkpoint)
        return servable

    def check(self, endpoint: DesiredEndpoint) -> Servable:
        """As `admit`, of a release that answers once and does not serve; the log that it shows is not remembered.

        Raises:
            NotAdmittedError: Something does not hold; says what.
            FalajError: The bytes, the proof or the environment cannot be had now.
        """
        last_checkpoint = self._memory.checkpoint()
        return self._verified(endpoint, self._continued(endpoint.log, last_checkpoint), last_checkpoint, self._now())[0]

    def readmit(self, remembered: Remembered) -> Servable:
        """Check again what was admitted before a restart, as of the moment when it was.

        A location that is cut off keeps serving what was admitted: an admission that ended meanwhile, or a log that
        grew meanwhile, is no reason to stop.

        Raises:
            NotAdmittedError: The bytes or the signatures do not hold.
        """
        return self._verified(remembered.endpoint, remembered.endpoint.log, None, remembered.admitted_at)[0]

    def _verified(
        self, endpoint: DesiredEndpoint, log: Mapping[str, Any], last_checkpoint: str | None, now: float
    ) -> tuple[Servable, Verification]:
        model_dir, digest = self._copy(endpoint.digest)
        try:
            keys, rules = trusted_keys(self._site.keys), read_rules(self._site.folder, self._site.location)
            if not endpoint.admission:
                raise EvidenceError("the control plane sent no admission", code="admission.missing")
            verification = verify_admission(
                _bundle(endpoint, log, keys), keys, model_dir,
                log_key=log_key_of(keys), last_seen_checkpoint=last_checkpoint, environment=endpoint.environment,
                location=rules.location, jurisdiction=rules.jurisdiction, floors=rules.floors,
                approval_keys=rules.approval_keys, now=now,
                digest_of=lambda _: digest,
            ).require()  # fmt: skip
        except FalajError as error:
            raise _refused(endpoint, error) from error
        return Servable(endpoint, model_dir, self._python(endpoint, model_dir), now), verification

    def _continued(self, log: Mapping[str, Any], last_checkpoint: str | None) -> Mapping[str, Any]:
        """The log's proof, and beside it the proof that it continues the log that was seen last."""
        first, second = sizes(last_checkpoint, log.get("checkpoint"))
        return {**log, "consistency": list(self._consistency(first, second))} if 0 < first < second else log

    def _copy(self, digest: Digest) -> tuple[Path, str]:
        """A copy that is the location's own, and the digest of what is in it; only this copy is ever served."""
        target = self._site.folder / "models" / digest.removeprefix("sha256:")
        if target.exists() and (actual := _digest(target)) == digest:
            return target, actual
        shutil.rmtree(target, ignore_errors=True)  # changed since it was fetched
        target.parent.mkdir(parents=True, exist_ok=True)
        self._fetcher.fetch(digest, target)
        if (actual := _digest(target)) != digest:
            shutil.rmtree(target)
            raise NotAdmittedError("the fetched bytes are not what its digest names", where=digest)
        return target, actual

    def _python(self, endpoint: DesiredEndpoint, model_dir: Path) -> Path | None:
        """Interpreter of the project environment, unless the model was packaged to need none of it."""
        if endpoint.environment_lock is None or (model_dir / "model.onnx").exists():
            return None
        return self._build_environment(self._copy(parse_digest(endpoint.environment_lock))[0])


def _bundle(endpoint: DesiredEndpoint, log: Mapping[str, Any], keys: Mapping[str, TrustedKey]) -> Bundle:
    """What was sent, as a bundle."""
    envelopes = [dict(item) for item in (*endpoint.evidence, *endpoint.admission)]
    run, commit = _origin(endpoint, keys)
    return bundle_of(BundledRelease(endpoint.model, endpoint.release, endpoint.digest, run, commit), envelopes, log)


def _origin(endpoint: DesiredEndpoint, keys: Mapping[str, TrustedKey]) -> tuple[str, str]:
    """Run and commit that the signed training evidence names; all other evidence must agree with it."""
    for envelope in endpoint.evidence:
        try:
            statement = verify_envelope(dict(envelope), keys, where="evidence")
        except EvidenceError:
            continue  # told with its reason by the verifier
        match statement.predicate:
            case {"run": str(run), "commit": str(commit)} if statement.predicate_type == TRAIN:
                return run, commit
    return "", ""  # the verifier says that there is no training evidence, and what else is wrong


def _refused(endpoint: DesiredEndpoint, error: FalajError) -> NotAdmittedError:
    return NotAdmittedError(
        f"{endpoint.name} release {endpoint.release} is not admitted: {error.message}",
        where=endpoint.digest,
        hint=error.hint,
        code=error.code if error.code.startswith("admission.") else "",
    )


def _digest(folder: Path) -> str:
    try:
        return tree_digest(folder)
    except EvidenceError:
        return ""
