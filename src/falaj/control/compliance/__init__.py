"""Privacy and residency: what data is and which law it is under, what that asks for, and what people may ask for.

Labels are written on sources and follow lineage; regimes are found out before any policy is asked; gates say what of a
release in an environment is not as a pack of rules asks, and Cedar decides by that. Records permit transfers and assess
models, until they expire. People are found by an index of hashes, and erased with what holds them. It is configuration
for those who know their law, not legal advice.
"""

from falaj.control.compliance import dsar_requests, evaluation, incidents
from falaj.control.compliance.erasure import FLAG, ErasureReach, flag, keys_of_person, models_of, reach_of, tombstone
from falaj.control.compliance.errors import (
    BadRecordError,
    PackOffError,
    PrivacyStateError,
    UnknownPrivacyError,
    UnreadableError,
)
from falaj.control.compliance.gates import (
    AssessedModel,
    DeploymentEnvironment,
    Rules,
    facts_of_change,
    facts_of_training,
    needs_assessment,
    needs_bias_evaluation,
    transfer_refusals,
    transfers_of,
)
from falaj.control.compliance.label_lineage import (
    CLASSIFICATIONS,
    SourceReading,
    keep_label,
    keep_labels,
    label_of_row,
    labels_given,
    labels_reaching,
    lower_labels,
    raise_labels,
    retained,
)
from falaj.control.compliance.labels import DataClassification, country_of, label_of, labels_of
from falaj.control.compliance.plaintext_scan import rows_of, subject_of
from falaj.control.compliance.records import (
    MECHANISMS,
    ComplianceRecord,
    RecordKind,
    Transfer,
    basis_for,
    current,
    why_not,
)
from falaj.control.compliance.regimes import LAWS, LegalEntity, Regime, entity_of, leaves, regimes_of, regimes_of_all
from falaj.control.compliance.register import believed, envelopes, not_withdrawn, register, verified, withdraw
from falaj.control.compliance.retention import RetainedSnapshot, locked_until, locks, longest_s
from falaj.control.compliance.rules import locks_now, predictions_locked_s, rules_in_force
from falaj.control.compliance.subject_index import (
    Searched,
    erased_at,
    export,
    hashed,
    note_erased,
    remember,
    returned,
    search,
    secret_of,
    snapshots_of,
    unsearched,
)

__all__ = [
    "CLASSIFICATIONS",
    "FLAG",
    "LAWS",
    "MECHANISMS",
    "AssessedModel",
    "BadRecordError",
    "ComplianceRecord",
    "DataClassification",
    "DeploymentEnvironment",
    "ErasureReach",
    "LegalEntity",
    "PackOffError",
    "PrivacyStateError",
    "RecordKind",
    "Regime",
    "RetainedSnapshot",
    "Rules",
    "Searched",
    "SourceReading",
    "Transfer",
    "UnknownPrivacyError",
    "UnreadableError",
    "basis_for",
    "believed",
    "country_of",
    "current",
    "dsar_requests",
    "entity_of",
    "envelopes",
    "erased_at",
    "evaluation",
    "export",
    "facts_of_change",
    "facts_of_training",
    "flag",
    "hashed",
    "incidents",
    "keep_label",
    "keep_labels",
    "keys_of_person",
    "label_of",
    "label_of_row",
    "labels_given",
    "labels_of",
    "labels_reaching",
    "leaves",
    "locked_until",
    "locks",
    "locks_now",
    "longest_s",
    "lower_labels",
    "models_of",
    "needs_assessment",
    "needs_bias_evaluation",
    "not_withdrawn",
    "note_erased",
    "predictions_locked_s",
    "raise_labels",
    "reach_of",
    "regimes_of",
    "regimes_of_all",
    "register",
    "remember",
    "retained",
    "returned",
    "rows_of",
    "rules_in_force",
    "search",
    "secret_of",
    "snapshots_of",
    "subject_of",
    "tombstone",
    "transfer_refusals",
    "transfers_of",
    "unsearched",
    "verified",
    "why_not",
    "withdraw",
]
