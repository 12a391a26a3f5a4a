"""Evidence: signed statements about artifacts, and the verifier that believes nothing else.

A statement (in-toto Statement v1, canonical JSON by RFC 8785) says one thing about one artifact; a DSSE envelope
carries it with an Ed25519 signature. `verify_release` takes a release on disk and the public keys, and tells
everything that is wrong. The room is pure: no database, no network, no clock.
"""

from falaj.supply_chain.attestations.admission import verify_admission
from falaj.supply_chain.attestations.bundle import Bundle, BundledRelease, bundle_of, read_bundle, write_bundle
from falaj.supply_chain.attestations.canonical import canonical
from falaj.supply_chain.attestations.claims import claimed
from falaj.supply_chain.attestations.decisions import (
    ADMISSION,
    APPROVAL,
    CHANGE_KINDS,
    IDENTITY,
    PRIVACY,
    SETTINGS,
    AdmissionDecision,
    Approval,
    IdentityRecord,
    envelope_digest,
    gates_digest,
)
from falaj.supply_chain.attestations.envelope import Envelope, sign_statement, verify_envelope
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keyring import (
    CHECKPOINT,
    Keyring,
    PublicKeyring,
    SigningRole,
    log_key_of,
    open_keyring,
)
from falaj.supply_chain.attestations.keys import (
    Signer,
    TrustedKey,
    key_id_of,
    load_or_create_key,
    read_trusted_keys,
    trust,
)
from falaj.supply_chain.attestations.mlbom import MLBOM, MlBom
from falaj.supply_chain.attestations.predicates import (
    COMPARISON,
    DATASET,
    EVAL,
    PROVENANCE,
    SCAN,
    TESTS,
    TRAIN,
    CandidateRecord,
    CheckRecord,
    ComparisonRecord,
    Dataset,
    Eval,
    GateRecord,
    Scan,
    SelectionRecord,
    Snapshot,
    Tests,
    Train,
)
from falaj.supply_chain.attestations.provenance import Provenance
from falaj.supply_chain.attestations.rollouts import ROLLOUT, RolloutRecord
from falaj.supply_chain.attestations.rules import EvidenceProblem, Verified, short
from falaj.supply_chain.attestations.statement import Statement, Subject, statement
from falaj.supply_chain.attestations.tree import tree_digest
from falaj.supply_chain.attestations.verification import Verification, verified, verify_release

__all__ = [
    "ADMISSION",
    "APPROVAL",
    "CHANGE_KINDS",
    "CHECKPOINT",
    "COMPARISON",
    "DATASET",
    "EVAL",
    "IDENTITY",
    "MLBOM",
    "PRIVACY",
    "PROVENANCE",
    "ROLLOUT",
    "SCAN",
    "SETTINGS",
    "TESTS",
    "TRAIN",
    "AdmissionDecision",
    "Approval",
    "Bundle",
    "BundledRelease",
    "CandidateRecord",
    "CheckRecord",
    "ComparisonRecord",
    "Dataset",
    "Envelope",
    "Eval",
    "EvidenceError",
    "EvidenceProblem",
    "GateRecord",
    "IdentityRecord",
    "Keyring",
    "MlBom",
    "Provenance",
    "PublicKeyring",
    "RolloutRecord",
    "Scan",
    "SelectionRecord",
    "Signer",
    "SigningRole",
    "Snapshot",
    "Statement",
    "Subject",
    "Tests",
    "Train",
    "TrustedKey",
    "Verification",
    "Verified",
    "bundle_of",
    "canonical",
    "claimed",
    "envelope_digest",
    "gates_digest",
    "key_id_of",
    "load_or_create_key",
    "log_key_of",
    "open_keyring",
    "read_bundle",
    "read_trusted_keys",
    "short",
    "sign_statement",
    "statement",
    "tree_digest",
    "trust",
    "verified",
    "verify_admission",
    "verify_envelope",
    "verify_release",
    "write_bundle",
]
