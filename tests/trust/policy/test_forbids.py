"""Each forbid holds alone: what it refuses is refused by nothing else, so that removing it lets the attack pass."""

from __future__ import annotations

import json

import cedarpy
import pytest

from falaj.trust.policy import PolicySet, built_in, with_organisation
from falaj.trust.policy.policyset import load
from tests.trust.policy.scenes import ATTACKS, GOOD, PEOPLE_ADMIT, Scene

FORBIDS = sorted(rule.id for rule in built_in().rules.values() if rule.effect == "forbid")


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    return with_organisation({"ours": PEOPLE_ADMIT})


def without(forbid: str) -> PolicySet:
    """The policies with one forbid removed."""
    parsed = json.loads(cedarpy.policies_to_json_str(built_in().texts["forbids"]))
    remaining_policies = {
        key: each for key, each in parsed["staticPolicies"].items() if each["annotations"]["id"] != forbid
    }
    assert len(remaining_policies) == len(parsed["staticPolicies"]) - 1
    text = cedarpy.policies_from_json_str(json.dumps({**parsed, "staticPolicies": remaining_policies}))
    return load({"permits": built_in().texts["permits"], "forbids": text, "ours": PEOPLE_ADMIT})


@pytest.mark.parametrize("scene", GOOD.values(), ids=GOOD)
def test_what_is_as_it_should_be_is_allowed(policies: PolicySet, scene: Scene) -> None:
    assert scene.ask(policies).allowed, scene.ask(policies).reason


@pytest.mark.parametrize(("forbid", "scene"), ATTACKS)
def test_an_attack_is_refused_and_the_refusal_says_why(policies: PolicySet, forbid: str, scene: Scene) -> None:
    decision = scene.ask(policies)
    assert not decision.allowed
    assert decision.policy_ids == (forbid,)
    assert decision.reason == f"denied by {forbid}: {built_in().rules[forbid].explanation}"


@pytest.mark.parametrize("forbid", FORBIDS)
def test_without_the_forbid_its_attacks_would_pass(forbid: str) -> None:
    attacks = [scene for name, scene in ATTACKS if name == forbid]
    assert attacks, f"no attack shows what {forbid} is for"
    weakened = without(forbid)
    assert all(scene.ask(weakened).allowed for scene in attacks)
