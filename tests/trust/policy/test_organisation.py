from __future__ import annotations

import pytest

from falaj.trust.policy import PolicyError, built_in, with_organisation
from falaj.trust.policy.self_test import assert_policy_tests, failures, read_cases
from tests.trust.policy.scenes import APPROVE, ATTACKS, RUN

SUNDAY = """
@id("no-runs-by-mariam") @explain("mariam is on leave")
forbid (principal == User::"mariam", action == Action::"run", resource);
"""
EVERYTHING = '@id("everything") @explain("all is fine") permit (principal, action, resource);'
BY_TAG = """
@id("health-stays") @explain("health data needs the privacy officer")
forbid (principal, action == Action::"run", resource)
when { resource.hasTag("classification") && resource.getTag("classification") == "health" };
"""


def test_a_forbid_of_the_organisation_adds() -> None:
    decision = RUN.ask(with_organisation({"leave": SUNDAY}))
    assert decision.policy_ids == ("no-runs-by-mariam",)
    assert "mariam is on leave" in decision.reason


def test_a_forbid_may_ask_for_attributes_of_the_resource() -> None:
    policies = with_organisation({"health": BY_TAG})
    assert RUN.ask(policies).allowed
    assert not RUN.but(on={"attributes": {"classification": "health"}}).ask(policies).allowed


@pytest.mark.parametrize(("forbid", "scene"), ATTACKS)
def test_no_permit_overrides_a_forbid_of_the_platform(forbid: str, scene: object) -> None:
    assert not scene.ask(with_organisation({"ours": EVERYTHING})).allowed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        ("permit (", "do not parse"),
        ("permit (principal, action, resource);", "has no @id"),
        ('@id("x") permit (principal, action, resource);', "has no @explain"),
        ('@id("sod-admin") @explain("x") permit (principal, action, resource);', "two policies have the id"),
        (
            '@id("x") @explain("x") permit (principal, action == Action::"fly", resource);',
            "unrecognized action",
        ),
        (
            '@id("x") @explain("x") forbid (principal, action, resource) when { principal.salary > 3 };',
            "salary",
        ),
        (
            '@id("x") @explain("x") forbid (principal, action, resource) when { principal.email == "a" };',
            "email",
        ),
        ('@id("x") @explain("x") forbid (principal == ?principal, action, resource);', "templates"),
        ('@id("x") @explain("x") forbid (principal, action, resource);', "must stay possible"),
        (
            '@id("x") @explain("x") forbid (principal, action, resource)'
            "when { context.now + 9223372036854775807 < 0 };",
            "must stay possible",
        ),
    ],
)
def test_what_is_wrong_with_a_policy_is_said_before_it_loads(text: str, expected_message: str) -> None:
    with pytest.raises(PolicyError, match=expected_message) as refused:
        with_organisation({"ours": text})
    assert refused.value.code == "policy.invalid"


def test_the_names_of_built_in_files_are_taken() -> None:
    with pytest.raises(PolicyError, match="taken"):
        with_organisation({"forbids": SUNDAY})


def test_a_rule_keeps_its_text_as_it_was_written() -> None:
    text = '// a; "comment"\n\n@id("odd") @explain("says; \\"so\\"")\n// inside;\n'
    text += f"permit (principal, action, resource);{SUNDAY}"
    rules = with_organisation({"ours": text}).rules
    assert rules["odd"].text.startswith('@id("odd")') and rules["odd"].text.endswith("resource);")
    assert rules["no-runs-by-mariam"].text == SUNDAY.strip()
    for rule in built_in().rules.values():
        assert rule.text.startswith(f'@id("{rule.id}")') and rule.text.endswith(";")


def test_nothing_added_is_the_built_in_set() -> None:
    assert with_organisation({}) is built_in()
    assert APPROVE.ask(built_in()).allowed


def test_what_must_hold_holds() -> None:
    assert len(assert_policy_tests()) >= 5
    assert failures(built_in(), assert_policy_tests()) == []


CASES = """
- name: mariam does not train
  principal: {kind: user, name: mariam, groups: [science]}
  roles: [{role: data-scientist, project: flights}]
  action: run
  resource: {kind: project, id: flights, project: flights}
  context: {now: 1}
  allowed: false
  because: no-runs-by-mariam
"""


def test_cases_of_the_organisation_are_answered() -> None:
    cases = read_cases(CASES, "cases.yaml")
    assert failures(with_organisation({"leave": SUNDAY}), cases) == []
    (failed,) = failures(built_in(), cases)
    assert str(failed).startswith("mariam does not train: must be denied by no-runs-by-mariam, but permitted by")


@pytest.mark.parametrize("text", ["- 3", "a: [", "- {name: x}", CASES.replace("action: run", "action: fly"), "7"])
def test_cases_that_are_not_well_formed_are_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="not well formed") as refused:
        read_cases(text, "cases.yaml")
    assert refused.value.where == "cases.yaml"
