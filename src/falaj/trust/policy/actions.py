"""The vocabulary of permission: what can be done, and the roles that a binding grants."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What a request does, as routes declare it and policies name it."""

    READ = "read"
    READ_AUDIT = "read-audit"
    TRIGGER = "trigger"
    """Announce a commit."""
    RUN = "run"
    """Start or cancel a run: training."""
    CONFIGURE_PROJECT = "configure-project"
    OPERATE = "operate"
    """Upkeep that changes no decision, such as collecting garbage."""
    MANAGE_PLATFORM = "manage-platform"
    MANAGE_ACCOUNTS = "manage-accounts"
    MANAGE_OWN = "manage-own"
    """One's own tokens, approval keys and second factors."""
    REQUEST_CHANGE = "request-change"
    APPROVE_CHANGE = "approve-change"
    REJECT_CHANGE = "reject-change"
    CANCEL_CHANGE = "cancel-change"
    REVIEW_CHANGE = "review-change"
    ADMIT = "admit"
    """Let an approved change take effect. No route performs it: the controller does."""
    ROLLBACK = "rollback"
    MANAGE_CALLERS = "manage-callers"
    """Say who may ask an endpoint."""
    STEER_ROLLOUT = "steer-rollout"
    """Pause, resume or abort: what spares a candidate no evidence."""
    OVERRIDE_ROLLOUT = "override-rollout"
    """Promote or skip without the evidence that the plan asks for."""
    DECIDE_GATE = "decide-gate"
    """Accept, reject or retire a gate that a failure left behind."""
    ARCHIVE_RELEASE = "archive-release"
    RETIRE_RELEASE = "retire-release"
    REVOKE_RELEASE = "revoke-release"
    SERVE = "serve"
    """What agents ask for their location."""
    EXECUTE = "execute"
    """What machines of executors ask: for steps, what these read, and where to leave what came of them."""
    EXPORT_PREDICTIONS = "export-predictions"
    """Take logged predictions, their features and labels, out of the log of a location."""
    SCORE = "score"
    """Let a release that is admitted somewhere answer the rows of a file."""
    MANAGE_KEYS = "manage-keys"
    MANAGE_PRIVACY = "manage-privacy"
    PUBLIC = "public"
    """Answers anyone: liveness, log-in, and webhooks, which prove themselves by their own signature."""

    @property
    def phrase(self) -> str:
        """The action as a sentence names it: `approve the change`."""
        verb, _, thing = self.partition("-")
        if not thing:
            return verb
        return _PHRASES.get(self) or f"{verb} {'' if thing.endswith('s') else 'the '}{thing}"


_PHRASES = {
    Action.READ_AUDIT: "read the audit log",
    Action.MANAGE_OWN: "manage their own credentials",
    Action.MANAGE_PRIVACY: "manage privacy records",
}


class Role(StrEnum):
    """What a binding grants in its scope."""

    DATA_SCIENTIST = "data-scientist"
    ML_ENGINEER = "ml-engineer"
    RELEASE_MANAGER = "release-manager"
    AUDITOR = "auditor"
    ADMIN = "admin"
    SERVICE = "service"
