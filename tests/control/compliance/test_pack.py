"""The pack's forbids: there while it is on, each alone in the way of its attack, and gone with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from falaj.core.principal import Principal, PrincipalKind
from falaj.trust.policy import Action, Binding, PolicySet, PrivacyFacts, Resource, Role, authorize, with_organisation
from falaj.trust.policy.policyset import built_in, load, pack_texts
from tests.trust.policy.scenes import ADMIT, APPROVE, MARIAM, NOW, RENEW, REQUEST, Scene

WORKER = Principal("workload:worker/local", PrincipalKind.WORKLOAD)
ADMIN = (Binding(Role.ADMIN),)
RIGHT = PrivacyFacts(regimes=frozenset({"pdpl"}))


def with_facts(scene: Scene, **wrong: Any) -> tuple[Any, ...]:
    """A question about a change, with facts of privacy."""
    policy_request = scene.but(change={"privacy": replace(RIGHT, **wrong)})
    return (
        policy_request.principal,
        policy_request.action,
        policy_request.resource,
        policy_request.context,
        policy_request.bindings,
    )


def training(**wrong: Any) -> tuple[Any, ...]:
    context = {"now": NOW, "privacy": replace(RIGHT, **wrong)}
    return WORKER, Action.RUN, Resource("project", "flights", project="flights"), context, ()


def locked(action: Action, until: float) -> tuple[Any, ...]:
    return MARIAM, action, Resource("tenant", "default"), {"now": NOW, "locked_until": until}, ADMIN


ATTACKS = [
    *(
        (forbid, with_facts(scene, **{fact: False}))
        for forbid, fact in (
            ("uae-transfer", "transfer_allowed"), ("uae-health", "health_allowed"), ("uae-banking", "banking_allowed"),
            ("uae-government", "government_allowed"), ("uae-human-review", "human_review"),
            ("uae-impact-assessment", "dpia_current"), ("uae-bias-evaluation", "bias_current"),
        )
        for scene in (REQUEST, APPROVE, ADMIT)
    ),
    *(
        (forbid, with_facts(RENEW, **{fact: False}))
        for forbid, fact in (("uae-transfer", "transfer_allowed"), ("uae-human-review", "human_review"))
    ),
    ("uae-officer", with_facts(ADMIT, officer_approved=False)),
    ("uae-impact-assessment-training", training(dpia_current=False)),
    ("uae-retention", locked(Action.MANAGE_PRIVACY, NOW + 1)),
    ("uae-retention", locked(Action.MANAGE_KEYS, NOW + 1)),
]  # fmt: skip
GOOD = [
    with_facts(REQUEST), with_facts(APPROVE), with_facts(ADMIT), with_facts(RENEW), training(),
    with_facts(RENEW, dpia_current=False, bias_current=False, officer_approved=False),
    locked(Action.MANAGE_PRIVACY, NOW), locked(Action.MANAGE_KEYS, NOW - 1),
]  # fmt: skip
FORBIDS = [rule.id for rule in with_organisation({}, ("uae",)).rules.values() if rule.source == "uae"]


def ask(question: tuple[Any, ...], policies: PolicySet) -> Any:
    principal, action, resource, context, bindings = question
    return authorize(principal, action, resource, context, policies=policies, bindings=bindings)


def without(forbid: str) -> PolicySet:
    """The policies with one forbid of the pack removed."""
    text = pack_texts(("uae",))["uae"]
    rule = with_organisation({}, ("uae",)).rules[forbid]
    assert text.count(rule.text) == 1
    return load({**built_in().texts, "uae": text.replace(rule.text, "")})


@pytest.mark.parametrize("question", GOOD)
def test_what_is_as_it_should_be_is_allowed(question: tuple[Any, ...]) -> None:
    decision = ask(question, with_organisation({}, ("uae",)))
    assert decision.allowed, decision.reason


@pytest.mark.parametrize(("forbid", "question"), ATTACKS)
def test_an_attack_is_refused_while_the_pack_is_on(forbid: str, question: tuple[Any, ...]) -> None:
    assert ask(question, with_organisation({}, ("uae",))).policy_ids == (forbid,)
    assert ask(question, built_in()).allowed


@pytest.mark.parametrize("forbid", FORBIDS)
def test_without_the_forbid_its_attacks_would_pass(forbid: str) -> None:
    attacks = [question for name, question in ATTACKS if name == forbid]
    assert attacks, f"no attack shows what {forbid} is for"
    weakened = without(forbid)
    assert all(ask(question, weakened).allowed for question in attacks)


def test_a_refusal_says_what_is_missing_and_how_to_put_it_right() -> None:
    facts = {"transfer_allowed": False, "notes": {"uae-transfer": "pdpl data to DE has no basis; record one"}}
    reason = ask(with_facts(REQUEST, **facts), with_organisation({}, ("uae",))).reason
    assert reason.startswith("denied by uae-transfer: personal data may leave only to")
    assert reason.endswith("(pdpl data to DE has no basis; record one)")


def test_an_organisation_cannot_take_the_name_of_a_pack() -> None:
    with pytest.raises(Exception, match="is taken"):
        with_organisation({"uae": "permit (principal, action, resource);"})
