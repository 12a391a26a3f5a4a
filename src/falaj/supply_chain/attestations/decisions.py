"""What was decided about a release: who holds a key, what a person approved, what may be served where.

    identity     this public key is this person's; the subject is the key
    approval     a person permits one change, having seen what is named here; the subject is the model
    admission    the control plane permits one location to serve the release in an environment; the subject is the model
    settings     these are the platform's settings from now on; the subject is the settings, and no release is meant
    privacy      this document permits a transfer or assesses a model, until then; the subject is the document

A person signs approvals with a key that the platform never holds. Nothing trusts such a key by itself: the identity
statement, signed by the identity authority, says whose it is and for how long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from falaj.supply_chain.attestations.canonical import canonical
from falaj.supply_chain.attestations.predicates import Snapshot, predicate_of
from falaj.supply_chain.attestations.statement import Statement, statement

IDENTITY = "https://falaj.dev/evidence/identity/v1"
APPROVAL = "https://falaj.dev/evidence/approval/v1"
ADMISSION = "https://falaj.dev/evidence/admission/v1"
SETTINGS = "https://falaj.dev/evidence/settings/v1"
PRIVACY = "https://falaj.dev/evidence/privacy/v1"

CHANGE_KINDS = ("standard", "normal", "emergency")


@dataclass(frozen=True)
class IdentityRecord:
    """Says whose an approval key is; the subject is the key, signed by the identity authority.

    Args:
        person: Principal id, `user:<name>`.
        email: Verified address; joins an approver with the author of a commit.
        key_id: SHA-256 of the DER public key in hex, as `key_id_of` gives it.
        pem: The public key.
        not_before: Unix seconds; approvals before do not count.
        not_after: Unix seconds; approvals after do not count.
    """

    person: str
    email: str
    key_id: str
    pem: str
    not_before: float
    not_after: float

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)

    def statement(self) -> Statement:
        """Return the statement to sign."""
        return statement(IDENTITY, [("approval-key", f"sha256:{self.key_id}")], self.as_dict())


@dataclass(frozen=True)
class Approval:
    """Says that a person permits a change; signed by that person's own key.

    Whatever of this changes later makes the approval void, because it no longer says what is asked for.

    Args:
        change: Id of the change.
        kind: standard, normal or emergency.
        release: `model@number`.
        digest: Digest of the model artifact.
        commit: Full commit id.
        snapshots: Pinned data that reached the model.
        gates_digest: Digest of the gate results, as `gates_digest` gives it.
        environment: Where it may go.
        rank: Place of that environment in the order.
        requester: Principal id of who asked for the change.
        approver: Principal id of who approves.
        approved_at: Unix seconds.
        expires_at: Unix seconds; an admission that rests on this approval must begin before.
    """

    change: str
    kind: str
    release: str
    digest: str
    commit: str
    snapshots: tuple[Snapshot, ...]
    gates_digest: str
    environment: str
    rank: int
    requester: str
    approver: str
    approved_at: float
    expires_at: float

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)

    def statement(self) -> Statement:
        """Return the statement to sign."""
        return statement(APPROVAL, [(self.release.partition("@")[0], self.digest)], self.as_dict())


@dataclass(frozen=True)
class AdmissionDecision:
    """Says that one location may serve a release in an environment; signed by the control plane.

    Args:
        change: Id of the change.
        kind: standard, normal or emergency.
        model: Name of the model line.
        release: Number in that line.
        digest: Digest of the model artifact.
        environment: Where it serves.
        rank: Place of that environment in the order.
        location: Name of the location.
        jurisdiction: Of the location, such as `AE`.
        quorum: How many people had to approve.
        approvals: `envelope_digest` of each approval that counts.
        not_before: When it was first admitted, unix seconds; every approval must have been valid then. A renewal
            keeps it.
        expires_at: Unix seconds; renewed by a new admission while the endpoint is live.
    """

    change: str
    kind: str
    model: str
    release: int
    digest: str
    environment: str
    rank: int
    location: str
    jurisdiction: str
    quorum: int
    approvals: tuple[str, ...]
    not_before: float
    expires_at: float

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate."""
        return predicate_of(self)

    def statement(self) -> Statement:
        """Return the statement to sign."""
        return statement(ADMISSION, [(self.model, self.digest)], self.as_dict())


def envelope_digest(envelope: Mapping[str, Any]) -> str:
    """Return the name of an envelope: `sha256:` of its canonical JSON, as admissions and the audit log refer to it."""
    return "sha256:" + hashlib.sha256(canonical(dict(envelope))).hexdigest()


def gates_digest(evaluation: Mapping[str, Any]) -> str:
    """Return the digest of gate results: of the `gates` of an `eval` predicate in canonical JSON."""
    return "sha256:" + hashlib.sha256(canonical(evaluation["gates"])).hexdigest()
