"""Provenance: which commit, environment and snapshots made the model, in the shape of SLSA provenance v1.

Source: SLSA v1.0 provenance (https://slsa.dev/spec/v1.0/provenance).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.predicates import Snapshot, plain

BUILD_TYPE = "https://falaj.dev/build/pipeline/v1"


@dataclass(frozen=True)
class Provenance:
    """Says how to make the model again; the subject is the model.

    Args:
        run: Run id.
        repository: URL or path of the git repository.
        ref: What was built, such as `refs/heads/main`.
        commit: Full commit id.
        parameters: Overridden parameters by step.
        snapshots: Pinned data sources.
        environment: Digest of the environment's lockfile; None without a lockfile.
        reproducible: Whether commit, environment and snapshots determine the model.
        reason: Why not; empty when reproducible.
        builder: URI of what ran it.
        version: Version of Falaj.
        started_at: Unix time in seconds.
        ended_at: Unix time in seconds.
        trigger: Why it was built: push, schedule, drift, ...; empty when it is not told.
        cause: Of a training that something asked for: what happened, such as the alert and its reason.
        sandbox: What stood between the project's code and the machine, as `falaj doctor` says it.
        recomputed: What the signer computed itself, from the lockfile and the snapshots.
        claimed_by: Whose word the rest is.
    """

    run: str
    repository: str
    ref: str
    commit: str
    parameters: Mapping[str, Any]
    snapshots: tuple[Snapshot, ...]
    environment: str | None
    reproducible: bool
    reason: str
    builder: str
    version: str
    started_at: float
    ended_at: float
    trigger: str = ""
    cause: Mapping[str, Any] = field(default_factory=dict)
    sandbox: str = "none"
    recomputed: tuple[str, ...] = ()
    claimed_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return {"buildDefinition": self._definition(), "runDetails": self._details()}

    def _definition(self) -> dict[str, Any]:
        return {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "repository": self.repository,
                "ref": self.ref,
                "parameters": plain(self.parameters),
                **({"trigger": self.trigger} if self.trigger else {}),
                **({"cause": plain(self.cause)} if self.cause else {}),
            },
            "internalParameters": {
                "reproducible": self.reproducible,
                "reason": self.reason,
                "sandbox": self.sandbox,
                "recomputed": list(self.recomputed),
                "claimed_by": self.claimed_by,
            },
            "resolvedDependencies": self._dependencies(),
        }

    def _dependencies(self) -> list[dict[str, Any]]:
        commit = {"name": "commit", "uri": f"git+{self.repository}@{self.ref}", "digest": {"gitCommit": self.commit}}
        lock = [{"name": "environment", "digest": _hex(self.environment)}] if self.environment else []
        return [commit, *lock, *({"name": f"data/{s.name}", "digest": _hex(s.digest)} for s in self.snapshots)]

    def _details(self) -> dict[str, Any]:
        return {
            "builder": {"id": self.builder, "version": {"falaj": self.version}},
            "metadata": {
                "invocationId": self.run,
                "startedOn": rfc3339(self.started_at),
                "finishedOn": rfc3339(self.ended_at),
            },
        }


@dataclass(frozen=True)
class ProvenanceFacts:
    """What the verifier joins on.

    Args:
        run: Run id.
        commit: Full commit id.
        snapshots: Pinned data sources.
        reproducible: Whether the builder claims that it can be made again.
    """

    run: str
    commit: str
    snapshots: frozenset[Snapshot]
    reproducible: bool


def read_provenance(predicate: Mapping[str, Any], *, where: str = "") -> ProvenanceFacts:
    """Read the joining facts from a SLSA v1 predicate of this build type.

    Raises:
        EvidenceError: `evidence.malformed`.
    """
    match predicate:
        case {
            "buildDefinition": {
                "buildType": str(build_type),
                "internalParameters": {"reproducible": bool(reproducible)},
                "resolvedDependencies": list(dependencies),
            },
            "runDetails": {"metadata": {"invocationId": str(run)}},
        } if build_type == BUILD_TYPE:
            return ProvenanceFacts(run, _commit(dependencies, where), _snapshots(dependencies), reproducible)
        case _:
            raise EvidenceError("the provenance predicate is not SLSA v1 of a Falaj pipeline", where=where)


def rfc3339(at: float) -> str:
    """Return a Unix time as text, in UTC and to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _commit(dependencies: list[Any], where: str) -> str:
    for dependency in dependencies:
        match dependency:
            case {"name": "commit", "digest": {"gitCommit": str(commit)}}:
                return commit
    raise EvidenceError("the provenance names no commit", where=where)


def _snapshots(dependencies: list[Any]) -> frozenset[Snapshot]:
    snapshots = set()
    for dependency in dependencies:
        match dependency:
            case {"name": str(name), "digest": {"sha256": str(digest)}} if name.startswith("data/"):
                snapshots.add(Snapshot(name.removeprefix("data/"), f"sha256:{digest}"))
    return frozenset(snapshots)


def _hex(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}
