"""An admitted release with people, keys and an audit log, that each test then damages in one way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from falaj.supply_chain.attestations import (
    AdmissionDecision,
    Approval,
    Bundle,
    IdentityRecord,
    Keyring,
    Signer,
    SigningRole,
    Verification,
    bundle_of,
    canonical,
    envelope_digest,
    gates_digest,
    load_or_create_key,
    log_key_of,
    open_keyring,
    read_bundle,
    sign_statement,
    verify_admission,
)
from falaj.supply_chain.attestations.checkpoint import Checkpoint, sign_checkpoint
from falaj.supply_chain.attestations.merkle import consistency_proof, inclusion_proof, leaf_hash, root

from .releases import COMMIT, EVAL_OF_RUN, FLIGHTS, WEATHER, SignedRelease, make

NOW = 1_767_300_000.0
HOUR_S = 3600.0
ORIGIN = "falaj/test"


@dataclass
class Log:
    """An audit log in memory."""

    signer: Signer
    origin: str = ORIGIN
    leaves: list[str] = field(default_factory=list)

    def add(self, *envelopes: Mapping[str, Any]) -> None:
        for envelope in envelopes:
            leaf = {"at": NOW, "kind": "evidence.signed", "envelope": envelope_digest(envelope), "n": len(self.leaves)}
            self.leaves.append(canonical(leaf).decode())

    @property
    def hashes(self) -> list[bytes]:
        return [leaf_hash(leaf.encode()) for leaf in self.leaves]

    def checkpoint(self, size: int | None = None) -> str:
        hashes = self.hashes[:size]
        return sign_checkpoint(Checkpoint(self.origin, len(hashes), root(hashes)), self.signer)

    def proof(self, envelopes: Sequence[Mapping[str, Any]], *, earlier_size: int = 0) -> dict[str, Any]:
        """What comes with a bundle; with `earlier_size`, also how the log continues the one of that size."""
        at = {json.loads(leaf)["envelope"]: index for index, leaf in enumerate(self.leaves)}
        hashes = self.hashes
        inclusion_proofs = {
            digest: {
                "index": at[digest],
                "leaf": self.leaves[at[digest]],
                "proof": [item.hex() for item in inclusion_proof(at[digest], hashes)],
            }
            for envelope in envelopes
            if (digest := envelope_digest(envelope)) in at
        }
        log = {"checkpoint": self.checkpoint(), "inclusion": inclusion_proofs}
        return (
            log | {"consistency": [item.hex() for item in consistency_proof(earlier_size, hashes)]}
            if earlier_size
            else log
        )


@dataclass(frozen=True)
class Person:
    """Somebody with an approval key."""

    name: str
    signer: Signer

    @property
    def identity(self) -> IdentityRecord:
        pem, key_id = self.signer.public_pem, self.signer.key_id
        email = f"{self.name}@example.org"
        return IdentityRecord(f"user:{self.name}", email, key_id, pem, NOW - 90 * 24 * HOUR_S, NOW + 90 * 24 * HOUR_S)


@dataclass
class World:
    """A control plane, its people, and one honest release by Amal that Badr requested for prod."""

    folder: Path
    keys: Keyring
    release: SignedRelease
    log: Log

    def person(self, name: str) -> Person:
        return Person(name, load_or_create_key(self.folder / "people" / f"{name}.pem"))

    @property
    def evidence(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in read_bundle(self.release.folder).evidence.values()]

    def approval(self, name: str, **changes: Any) -> Approval:
        new_approval = Approval(
            change="c-1", kind="normal", release="flight-delay@1", digest=self.release.digest, commit=COMMIT,
            snapshots=(FLIGHTS, WEATHER), gates_digest=gates_digest(EVAL_OF_RUN.as_dict()), environment="prod", rank=3,
            requester="user:badr", approver=f"user:{name}", approved_at=NOW - HOUR_S, expires_at=NOW + HOUR_S,
        )  # fmt: skip
        return replace(new_approval, **changes)

    def approved(self, name: str, *, signer: Signer | None = None, **changes: Any) -> dict[str, Any]:
        """An approval, signed by that person's key."""
        return sign_statement(self.approval(name, **changes).statement(), signer or self.person(name).signer)

    def identified(self, name: str, *, signer: Signer | None = None, **changes: Any) -> dict[str, Any]:
        """An identity, signed by the identity authority."""
        person_identity = replace(self.person(name).identity, **changes)
        return sign_statement(person_identity.statement(), signer or self.keys.signer(SigningRole.IDENTITY))

    def admission(self, approvals: Sequence[Mapping[str, Any]], **changes: Any) -> AdmissionDecision:
        new_decision = AdmissionDecision(
            change="c-1", kind="normal", model="flight-delay", release=1, digest=self.release.digest,
            environment="prod",
            rank=3, location="dubai", jurisdiction="AE", quorum=2,
            approvals=tuple(envelope_digest(item) for item in approvals),
            not_before=NOW - 60.0, expires_at=NOW + 24 * HOUR_S,
        )  # fmt: skip
        return replace(new_decision, **changes)

    def decided(
        self,
        approvals: Sequence[Mapping[str, Any]] | None = None,
        identities: Sequence[Mapping[str, Any]] | None = None,
        *,
        signer: Signer | None = None,
        **changes: Any,
    ) -> list[dict[str, Any]]:
        """Identities, approvals and admission; by default Carla's and Dalal's, who may."""
        if identities is None:
            identities = [self.identified("carla"), self.identified("dalal")]
        if approvals is None:
            approvals = [self.approved("carla"), self.approved("dalal")]
        decision_statement = self.admission(approvals, **changes).statement()
        admission = sign_statement(decision_statement, signer or self.keys.signer(SigningRole.ADMISSION))
        return [*map(dict, identities), *map(dict, approvals), admission]

    def bundle(self, decided: Sequence[Mapping[str, Any]] | None = None, *, logged: bool = True) -> Bundle:
        """The release with what was decided, all of it in the log."""
        envelopes = [*self.evidence, *map(dict, self.decided() if decided is None else decided)]
        if logged:
            self.log.add(*envelopes)
        return bundle_of(read_bundle(self.release.folder).release, envelopes, self.log.proof(envelopes))

    def verify(self, bundle: Bundle | Path | None = None, **changes: Any) -> Verification:
        """Verify as the location `dubai` does, which never saw the log before."""
        keys = self.keys.trusted()
        options: dict[str, Any] = {
            "model_dir": self.release.folder / "model", "log_key": log_key_of(keys), "last_seen_checkpoint": None,
            "environment": "prod", "location": "dubai", "jurisdiction": "AE", "now": NOW,
        }  # fmt: skip
        return verify_admission(self.bundle() if bundle is None else bundle, keys, **(options | changes))

    def codes(self, bundle: Bundle | Path | None = None, **changes: Any) -> list[str]:
        return list(dict.fromkeys(problem.code for problem in self.verify(bundle, **changes).problems))


def make_world(folder: Path, **release: Any) -> World:
    keys = open_keyring(folder / "keys")
    signed_release = make(folder / "release", keys, **release)
    return World(folder, keys, signed_release, Log(keys.signer(SigningRole.LOG)))


WorldMaker = Callable[..., World]
