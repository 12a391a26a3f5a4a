"""Scenes in which everything is as it should be, and what differs in each attack on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from falaj.core.principal import Principal, PrincipalKind
from falaj.trust.policy import (
    Action,
    Binding,
    ChangeFacts,
    PolicyDecision,
    PolicySet,
    Resource,
    Role,
    SignedFacts,
    authorize,
)

Facts = Mapping[str, Any]
NONE: Facts = {}
NOW = 1_800_000_000.0

MARIAM = Principal(
    "user:mariam", PrincipalKind.USER, email="mariam@example.ae", authenticated_at=NOW - 600, step_up_at=NOW - 60,
    step_up_method="webauthn",
)  # fmt: skip
CONTROLLER = Principal("workload:controller/local", PrincipalKind.WORKLOAD, location="local")
AGENT = Principal("workload:agent/dubai", PrincipalKind.WORKLOAD, location="dubai")
TOKEN = Principal("service:ci", PrincipalKind.SERVICE)

CHANGE = ChangeFacts(
    id="c1", kind="normal", state="awaiting_approval", requester="user:omar", digest="sha256:aa", environment="prod",
    rank=3, risk="high", release_state="verified", expires_at=NOW + 3600, passed_below=True, evidence_complete=True,
    residency_allowed=True, quorum_met=False, opens_at=NOW - 60, authors=frozenset({"lina@example.ae"}),
)  # fmt: skip
SIGNED = SignedFacts(change="c1", kind="normal", digest="sha256:aa", environment="prod", rank=3, key="k1")
PROD = Resource("change", "c1", project="flights", environment="prod", rank=3)
TENANT = Resource("tenant", "default")

RELEASE_MANAGER = (Binding(Role.RELEASE_MANAGER),)


@dataclass(frozen=True)
class Scene:
    """A question; `but` gives the same question with something else in it."""

    principal: Principal
    action: Action
    resource: Resource
    bindings: tuple[Binding, ...] = ()
    change: ChangeFacts | None = None
    signed: SignedFacts | None = None

    def but(
        self, *, by: Facts = NONE, on: Facts = NONE, change: Facts = NONE, signed: Facts = NONE, **other: Any
    ) -> Scene:
        changed = replace(self, principal=replace(self.principal, **by), resource=replace(self.resource, **on))
        if self.change is not None:
            changed = replace(changed, change=replace(self.change, **change))
        if self.signed is not None:
            changed = replace(changed, signed=replace(self.signed, **signed))
        return replace(changed, **other)

    @property
    def context(self) -> dict[str, Any]:
        facts = {"change": self.change, "signed": self.signed}
        return {"now": NOW, **{name: value for name, value in facts.items() if value is not None}}

    def ask(self, policies: PolicySet) -> PolicyDecision:
        return authorize(
            self.principal, self.action, self.resource, self.context, policies=policies, bindings=self.bindings
        )


APPROVE = Scene(MARIAM, Action.APPROVE_CHANGE, PROD, RELEASE_MANAGER, CHANGE, SIGNED)
ADMIT = Scene(CONTROLLER, Action.ADMIT, PROD, (), replace(CHANGE, state="approved", quorum_met=True), SIGNED)
REQUEST = Scene(
    MARIAM, Action.REQUEST_CHANGE, PROD, (Binding(Role.ML_ENGINEER),), replace(CHANGE, requester="user:mariam")
)
REVIEW = Scene(
    MARIAM, Action.REVIEW_CHANGE, PROD, RELEASE_MANAGER, replace(CHANGE, kind="emergency", state="review_due")
)
REJECT = Scene(MARIAM, Action.REJECT_CHANGE, PROD, RELEASE_MANAGER, CHANGE)
OVERRIDE = Scene(MARIAM, Action.OVERRIDE_ROLLOUT, PROD, RELEASE_MANAGER, replace(CHANGE, state="deploying"))
STEER = Scene(MARIAM, Action.STEER_ROLLOUT, PROD, (Binding(Role.ML_ENGINEER),), replace(CHANGE, state="deploying"))
GATE = Scene(MARIAM, Action.DECIDE_GATE, Resource("gate", "r1", project="flights"), RELEASE_MANAGER)
RUN = Scene(MARIAM, Action.RUN, Resource("project", "flights", project="flights"), (Binding(Role.DATA_SCIENTIST),))
SERVE = Scene(AGENT, Action.SERVE, Resource("location", "dubai"))
EXECUTE = Scene(
    replace(AGENT, id="workload:executor/gpu.1", location=None), Action.EXECUTE, Resource("tenant", "default")
)
ACCOUNTS = Scene(MARIAM, Action.MANAGE_ACCOUNTS, TENANT, (Binding(Role.ADMIN),))
RENEW = ADMIT.but(change={"state": "done", "renewal": True, "expires_at": NOW - 1, "frozen": True})

GOOD = {
    "approve": APPROVE,
    "admit": ADMIT,
    "request": REQUEST,
    "review": REVIEW,
    "reject": REJECT,
    "override": OVERRIDE,
    "steer": STEER,
    "steer one's own": STEER.but(change={"requester": "user:mariam"}),
    "decide about a gate": GATE,
    "run": RUN,
    "serve": SERVE,
    "execute": EXECUTE,
    "accounts": ACCOUNTS,
    "renew": RENEW,
    "emergency": ADMIT.but(change={"kind": "emergency"}, signed={"kind": "emergency"}),
    "standard of low risk": ADMIT.but(change={"kind": "standard", "risk": "low"}, signed={"kind": "standard"}),
}

# Lets people admit, so that what separates approver and deployer is the forbid and not the lack of a permit.
PEOPLE_ADMIT = """
@id("people-admit")
@explain("release managers admit")
permit (principal is User, action == Action::"admit", resource) when { principal.roles.contains("release-manager") };
"""

ATTACKS: list[tuple[str, Scene]] = [
    (
        "other-tenant",
        APPROVE.but(on={"tenant": "rival"}, change={"tenant": "rival"}, signed={"tenant": "rival"}),
    ),
    ("inactive-principal", RUN.but(by={"active": False})),
    ("authenticated-in-the-future", RUN.but(by={"authenticated_at": NOW + 3600})),
    ("token-scope", RUN.but(by={"actions": frozenset({"read"})})),
    ("other-location", SERVE.but(on={"id": "abu-dhabi"})),
    ("other-location", SERVE.but(by={"location": None})),
    ("sod-self-approve", APPROVE.but(change={"requester": "user:mariam"})),
    ("sod-author-approves", APPROVE.but(change={"authors": frozenset({"mariam@example.ae"})})),
    ("sod-author-approves", APPROVE.but(change={"authors": frozenset({"user:mariam"})})),
    ("sod-approve-twice", APPROVE.but(change={"approvers": frozenset({"user:mariam"})})),
    ("sod-one-key-twice", APPROVE.but(change={"approval_keys": frozenset({"k1"})})),
    ("sod-self-review", REVIEW.but(change={"requester": "user:mariam"})),
    ("sod-self-review", REVIEW.but(change={"authors": frozenset({"mariam@example.ae"})})),
    (
        "sod-approver-deploys",
        ADMIT.but(principal=MARIAM, bindings=RELEASE_MANAGER, change={"approvers": frozenset({"user:mariam"})}),
    ),
    ("sod-admin", APPROVE.but(bindings=(*RELEASE_MANAGER, Binding(Role.ADMIN)))),
    ("sod-admin", APPROVE.but(bindings=(*RELEASE_MANAGER, Binding(Role.ADMIN, project="another")))),
    ("sod-admin", RUN.but(bindings=(*RUN.bindings, Binding(Role.ADMIN)))),
    ("sod-admin", REQUEST.but(bindings=(*REQUEST.bindings, Binding(Role.ADMIN)))),
    ("sod-admin", ADMIT.but(principal=MARIAM, bindings=(*RELEASE_MANAGER, Binding(Role.ADMIN)))),
    ("sod-admin", STEER.but(bindings=(*STEER.bindings, Binding(Role.ADMIN)))),
    ("sod-admin", OVERRIDE.but(bindings=(*RELEASE_MANAGER, Binding(Role.ADMIN)))),
    ("sod-admin", GATE.but(bindings=(*RELEASE_MANAGER, Binding(Role.ADMIN)))),
    ("sod-self-override", OVERRIDE.but(change={"requester": "user:mariam"})),
    ("sod-self-override", OVERRIDE.but(change={"authors": frozenset({"mariam@example.ae"})})),
    ("sod-self-override", OVERRIDE.but(change={"authors": frozenset({"user:mariam"})})),
    ("decided-by-people", REJECT.but(principal=TOKEN)),
    ("decided-by-people", OVERRIDE.but(principal=TOKEN)),
    ("decided-by-people", GATE.but(principal=TOKEN)),
    ("managed-by-people", ACCOUNTS.but(principal=TOKEN)),
    ("step-up-missing", APPROVE.but(by={"step_up_at": None})),
    ("step-up-missing", APPROVE.but(by={"step_up_method": None})),
    ("step-up-missing", APPROVE.but(by={"step_up_at": NOW - 301})),
    ("step-up-missing", APPROVE.but(by={"step_up_at": NOW + 3600})),
    ("change-unnamed", APPROVE.but(change={"id": "c2"}, signed={"change": "c2"})),
    ("change-unsigned", replace(APPROVE, signed=None)),
    ("change-unsigned", replace(ADMIT, signed=None)),
    ("signed-for-another-change", APPROVE.but(signed={"change": "c2"})),
    ("signed-for-another-change", APPROVE.but(signed={"kind": "emergency"})),
    ("signed-for-another-digest", APPROVE.but(signed={"digest": "sha256:bb"})),
    ("signed-for-another-environment", APPROVE.but(signed={"environment": "test"})),
    ("signed-for-another-environment", APPROVE.but(signed={"rank": 1})),
    ("signed-for-another-tenant", APPROVE.but(signed={"tenant": "rival"})),
    ("signed-for-another-tenant", REQUEST.but(change={"tenant": "rival"})),
    ("change-kind-unknown", APPROVE.but(change={"kind": "urgent"}, signed={"kind": "urgent"})),
    ("change-state", APPROVE.but(change={"state": "done"})),
    ("change-state", REJECT.but(change={"state": "approved"})),
    ("change-not-approved", ADMIT.but(change={"state": "awaiting_approval"})),
    ("change-not-approved", RENEW.but(change={"state": "approved"})),
    ("change-not-due-for-review", REVIEW.but(change={"state": "done"})),
    ("change-not-due-for-review", REVIEW.but(change={"kind": "normal"})),
    ("change-early", ADMIT.but(change={"opens_at": NOW + 60})),
    ("change-expired", APPROVE.but(change={"expires_at": NOW})),
    ("change-expired", ADMIT.but(change={"expires_at": NOW - 1})),
    ("change-frozen", ADMIT.but(change={"frozen": True})),
    ("quorum-missing", ADMIT.but(change={"quorum_met": False})),
    ("standard-needs-low-risk", REQUEST.but(change={"kind": "standard", "risk": "medium"})),
    ("standard-needs-low-risk", ADMIT.but(change={"kind": "standard"}, signed={"kind": "standard"})),
    ("environment-skipped", REQUEST.but(change={"passed_below": False})),
    ("environment-skipped-at-admission", ADMIT.but(change={"passed_below": False})),
    ("environment-skipped-at-admission", ADMIT.but(change={"passed_below": False, "arriving_below": True})),
    ("evidence-missing", REQUEST.but(change={"evidence_complete": False})),
    ("evidence-missing", ADMIT.but(change={"evidence_complete": False})),
    ("residency", ADMIT.but(change={"residency_allowed": False})),
    ("release-withdrawn", ADMIT.but(change={"release_state": "revoked"})),
    ("release-withdrawn", REQUEST.but(change={"release_state": "rejected"})),
]
"""Each differs from a good scene in one thing, and exactly one forbid stands in its way."""
