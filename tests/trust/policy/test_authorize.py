from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.core.principal import Principal, PrincipalKind
from falaj.trust.policy import Action, Binding, ChangeFacts, Resource, Role, authorize, built_in, with_organisation
from tests.trust.policy.scenes import APPROVE, CONTROLLER, MARIAM, NOW, REQUEST, RUN, TENANT, TOKEN

A = Action
READS = {A.READ}
MAY: dict[Role, set[Action]] = {
    Role.DATA_SCIENTIST: READS
    | {A.RUN, A.TRIGGER, A.CONFIGURE_PROJECT, A.REQUEST_CHANGE}
    | {A.EXPORT_PREDICTIONS, A.SCORE},
    Role.ML_ENGINEER: READS
    | {A.RUN, A.TRIGGER, A.CONFIGURE_PROJECT, A.OPERATE, A.REQUEST_CHANGE, A.ROLLBACK, A.ARCHIVE_RELEASE}
    | {A.EXPORT_PREDICTIONS, A.STEER_ROLLOUT, A.SCORE, A.MANAGE_CALLERS},
    Role.RELEASE_MANAGER: READS
    | {A.REQUEST_CHANGE, A.APPROVE_CHANGE, A.REJECT_CHANGE, A.CANCEL_CHANGE, A.REVIEW_CHANGE, A.ROLLBACK}
    | {A.ARCHIVE_RELEASE, A.RETIRE_RELEASE, A.REVOKE_RELEASE, A.STEER_ROLLOUT, A.OVERRIDE_ROLLOUT, A.DECIDE_GATE}
    | {A.MANAGE_CALLERS},
    Role.AUDITOR: READS | {A.READ_AUDIT},
    Role.ADMIN: READS | {A.OPERATE, A.MANAGE_PLATFORM, A.MANAGE_ACCOUNTS, A.MANAGE_KEYS, A.MANAGE_PRIVACY},
    Role.SERVICE: READS | {A.TRIGGER, A.RUN, A.OPERATE, A.SCORE},
}


def allowed(principal: Principal, action: Action, resource: Resource, *bindings: Binding) -> bool:
    return authorize(principal, action, resource, {"now": NOW}, policies=built_in(), bindings=bindings).allowed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", [each for each in Action if each is not Action.PUBLIC])
def test_a_role_may_do_exactly_this(role: Role, action: Action) -> None:
    own = action is Action.MANAGE_OWN  # anyone's, of themselves
    assert allowed(MARIAM, action, TENANT, Binding(role)) is (own or action in MAY[role])


@pytest.mark.parametrize("action", [each for each in Action if each is not Action.MANAGE_OWN])
def test_without_a_role_a_person_may_do_nothing(action: Action) -> None:
    assert not allowed(MARIAM, action, TENANT)


def test_services_do_not_manage_credentials_of_people() -> None:
    assert not allowed(TOKEN, Action.MANAGE_OWN, TENANT, Binding(Role.SERVICE))


def test_a_binding_holds_in_its_project_alone() -> None:
    bound = Binding(Role.DATA_SCIENTIST, project="flights")
    assert allowed(MARIAM, Action.RUN, Resource("project", "flights", project="flights"), bound)
    assert not allowed(MARIAM, Action.RUN, Resource("project", "loans", project="loans"), bound)
    assert not allowed(MARIAM, Action.RUN, TENANT, bound)


def test_a_binding_holds_in_its_environment_alone_and_reads_the_others() -> None:
    bound = Binding(Role.RELEASE_MANAGER, environment="test")
    assert not APPROVE.but(bindings=(bound,)).ask(built_in()).allowed
    assert APPROVE.but(bindings=(Binding(Role.RELEASE_MANAGER, environment="prod"),)).ask(built_in()).allowed
    assert allowed(MARIAM, Action.READ, APPROVE.resource, bound)


def test_anywhere_asks_for_a_role_in_any_scope() -> None:
    bound = (Binding(Role.DATA_SCIENTIST, project="flights"),)
    context = {"now": NOW}
    assert not authorize(MARIAM, Action.RUN, TENANT, context, policies=built_in(), bindings=bound).allowed
    assert authorize(MARIAM, Action.RUN, TENANT, context, policies=built_in(), bindings=bound, anywhere=True).allowed


def test_the_worker_asks_for_the_lowest_environment_and_no_other() -> None:
    worker = Principal("workload:worker/local", PrincipalKind.WORKLOAD, location="local")
    lowest = REQUEST.but(principal=worker, bindings=(), change={"kind": "standard", "risk": "low", "rank": 0})
    assert lowest.ask(built_in()).allowed
    assert not lowest.but(change={"rank": 1}).ask(built_in()).allowed
    assert not lowest.but(change={"kind": "emergency"}).ask(built_in()).allowed
    assert not lowest.but(principal=CONTROLLER).ask(built_in()).allowed


def test_the_requester_may_withdraw_and_others_may_not() -> None:
    scene = REQUEST.but(action=Action.CANCEL_CHANGE, bindings=())
    assert scene.ask(built_in()).allowed
    assert not scene.but(change={"requester": "user:omar"}).ask(built_in()).allowed


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"now": "soon"},
        {"now": NOW, "unheard-of": 1},
        {"now": NOW, "change": {"id": "c1"}},
        {"now": NOW, "change": object()},
        {"now": float("nan")},
        {"now": float("inf")},
        {"now": 2**70},
        {"now": "\ud800"},
        {"now": [[[[]]]] },
    ],
    ids=lambda context: str(context).partition(" at 0x")[0],
)  # fmt: skip
def test_a_question_that_cannot_be_answered_is_a_denial(context: dict[str, Any]) -> None:
    decision = authorize(
        MARIAM, Action.RUN, RUN.resource, context, policies=built_in(), bindings=(Binding(Role.ML_ENGINEER),)
    )
    assert not decision.allowed
    assert decision.policy_ids == ("policy-error",)


def test_a_policy_that_fails_while_it_decides_is_a_denial() -> None:
    text = """
        @id("overflows") @explain("adds beyond what fits")
        forbid (principal, action == Action::"run", resource) when { context.now + 9223372036854775807 < 0 };
    """
    decision = RUN.ask(with_organisation({"ours": text}))
    assert not decision.allowed
    assert decision.policy_ids == ("policy-error",)
    assert "overflow" in decision.reason


def test_a_context_cannot_say_that_it_is_about_another_action() -> None:
    limited = Principal("user:mariam", PrincipalKind.USER, actions=frozenset({"read"}))
    context = {"now": NOW, "action": "read"}
    bound = (Binding(Role.ML_ENGINEER),)
    assert not authorize(limited, Action.RUN, TENANT, context, policies=built_in(), bindings=bound).allowed


@given(name=st.text(min_size=1), kind=st.text(min_size=1), identity=st.text())
def test_no_name_changes_what_is_allowed(name: str, kind: str, identity: str) -> None:
    person = Principal(f"user:{name}", PrincipalKind.USER)
    thing = Resource(kind, identity)
    assert not allowed(person, Action.SERVE, thing)
    assert not allowed(person, Action.RUN, thing, Binding(Role.AUDITOR))


@given(st.sampled_from(Action), st.builds(ChangeFacts, *[st.text()] * 6, st.integers(), st.text(), st.text(), *[st.floats(0, 4e9)], *[st.booleans()] * 3))  # noqa: E501  # fmt: skip
def test_nobody_without_a_role_is_allowed_anything_about_a_change(action: Action, facts: ChangeFacts) -> None:
    context = {"now": NOW, "change": facts}
    stranger = Principal("user:stranger", PrincipalKind.USER)
    answer = authorize(stranger, action, APPROVE.resource, context, policies=built_in())
    own = action is Action.CANCEL_CHANGE and facts.requester == stranger.id
    assert not answer.allowed or own
