"""The states and kinds that documents of the API name, as types: what a client must know, and no other word comes.

A test compares each with the enumeration of the room that it belongs to.
"""

from __future__ import annotations

from typing import Literal

RunState = Literal["queued", "running", "cancelling", "succeeded", "rejected", "failed", "cancelled"]
StepKind = Literal["step", "check", "gate"]
StepState = Literal["queued", "running", "cached", "succeeded", "failed", "passed"]
ReleaseState = Literal[
    "candidate", "verified", "live", "superseded", "archived", "retired", "rejected", "revoked"
]  # fmt: skip
EndpointState = Literal["pending", "starting", "rolling", "ready", "failed"]
ChangeKind = Literal["standard", "normal", "emergency"]
ChangeState = Literal[
    "requested", "awaiting_approval", "approved", "scheduled", "deploying", "done", "failed", "rejected", "expired",
    "invalidated", "cancelled", "review_due", "reviewed", "rolled_back",
]  # fmt: skip
RolloutStrategy = Literal["recreate", "blue_green", "canary", "shadow", "challenger"]
DeploymentState = Literal["waiting", "pending", "converging", "rolling", "live", "failed", "superseded"]
RolloutState = Literal[
    "pending", "warming", "shadowing", "stepping", "holding", "promoting", "holdback", "succeeded", "paused",
    "inconclusive", "rolling_back", "rolled_back", "aborted",
]  # fmt: skip
RolloutCommand = Literal["pause", "resume", "promote", "abort", "skip"]
AlertState = Literal["open", "acknowledged", "muted", "resolved"]
AlertCause = Literal[
    "none", "covariate-shift", "unknown", "performance-loss", "concept-drift", "upstream-fault", "recalibration-bound",
    "being looked at",
]  # fmt: skip
AlertSeverity = Literal["info", "warning", "critical"]
RegressionGateState = Literal["proposed", "accepted", "rejected", "retired"]
TrainingKind = Literal["manual", "drift", "feedback", "event", "growth", "schedule"]
TrainingState = Literal["waiting", "started", "refused", "won", "unchanged", "lost", "failed"]
TriggerAnswer = Literal["start", "wait", "refuse"]
KeyState = Literal["current", "retired", "destroyed"]
CallerKind = Literal["token", "certificate"]
CallerState = Literal["active", "expired", "revoked"]
AccountSource = Literal["local", "oidc", "token"]
PrincipalKind = Literal["user", "service", "workload"]
AuditOutcome = Literal["done", "denied"]
IncidentState = Literal["open", "notified", "closed"]
SubjectRequestKind = Literal["access", "export", "erasure", "correction", "objection"]
SubjectRequestState = Literal["open", "erasing", "closed"]
RecordKind = Literal["transfer", "impact-assessment", "bias-evaluation", "classification"]
ControlState = Literal["met", "gap", "ask a person", "not applicable"]
PolicyEffect = Literal["permit", "forbid"]
LocationState = Literal["own", "enrolled", "silent", "invited", "not-enrolled"]
DifferenceKind = Literal["added", "removed", "changed"]
AnswerKind = Literal["binary", "regression"]
OffsetLimit = Literal["none", "daily_step", "bound"]
