from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from falaj.api.authentication import PEER
from falaj.api.drift import DriftWatch
from falaj.api.platform import Platform
from falaj.config.platform_spec import PlatformSpec
from falaj.control.runs.connections import platform_file
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import EndpointRow, EventRow
from falaj.storage.policy_tables import RoleBindingRow
from falaj.supply_chain.attestations import SETTINGS, open_keyring, verify_envelope
from falaj.trust import settings
from falaj.trust.policy import Role
from tests.apps import app_of

pytestmark = pytest.mark.integration

FILE = "policy_packs: [uae]\nroles: [{group: audit, role: auditor}]\n"
As = Callable[..., TestClient]


@pytest.fixture
def client_as(platform: Platform) -> Iterator[As]:
    """A client whose requests come from a user with one role."""
    opened: list[TestClient] = []
    app = app_of(platform)

    def as_role(role: str, kind: PrincipalKind = PrincipalKind.USER, proved_s_ago: float = 1.0) -> TestClient:
        proved_at = platform.now() - proved_s_ago if kind is PrincipalKind.USER else None
        principal = Principal(f"{kind}:{role}", kind, step_up_at=proved_at, step_up_method="login")
        row = RoleBindingRow(principal=principal.id, role=role, granted_by="test", granted_at=0.0)
        with platform.database.transaction() as session:
            session.add(row)

        async def identified(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, PEER: principal}, receive, send)

        opened.append(TestClient(identified, raise_server_exceptions=False).__enter__())
        return opened[-1]

    yield as_role
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def admin(client_as: As) -> TestClient:
    return client_as("admin")


def platform_body(text: str, **more: Any) -> dict[str, Any]:
    return {"name": "platform.yaml", "text": text, **more}


def test_the_defaults_are_shown_before_the_first_apply(admin: TestClient) -> None:
    platform_settings = admin.get("/api/v1/platform").json()
    assert (platform_settings["version"], platform_settings["applied_at"]) == (0, None)
    assert PlatformSpec.from_json(platform_settings["spec"]) == PlatformSpec.default()
    assert admin.get("/api/v1/platform/versions").json() == []


def test_plan_changes_nothing_and_apply_does(admin: TestClient, platform: Platform) -> None:
    planned = admin.post("/api/v1/platform/plan", json=platform_body(FILE)).json()
    assert planned["version"] == 0
    assert [(each["path"], each["loosens"]) for each in planned["differences"]] == [
        ("policy_packs.uae", False),
        ("roles.group audit is auditor in the tenant", True),
    ]
    assert admin.get("/api/v1/platform").json()["version"] == 0
    applied = admin.post("/api/v1/platform/apply", json=platform_body(FILE, base=0)).json()
    assert applied == planned | {"version": 1}
    platform_settings = admin.get("/api/v1/platform").json()
    assert (platform_settings["version"], platform_settings["actor"], platform_settings["text"]) == (
        1,
        "user:admin",
        FILE,
    )
    statement = verify_envelope(platform_settings["envelope"], open_keyring(platform.home.keys).trusted())
    assert statement.predicate_type == SETTINGS
    assert statement.is_about(platform_settings["digest"])
    assert admin.post("/api/v1/platform/plan", json=platform_body(FILE)).json() == {"version": 1, "differences": []}
    assert [each["version"] for each in admin.get("/api/v1/platform/versions").json()] == [1]


@pytest.mark.parametrize("role", [role.value for role in Role if role is not Role.ADMIN])
def test_only_an_administrator_applies(client_as: As, role: str) -> None:
    answer = client_as(role).post("/api/v1/platform/apply", json=platform_body(FILE))
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")


def test_the_home_token_does_not_apply(client: TestClient) -> None:
    assert client.post("/api/v1/platform/plan", json=platform_body(FILE)).status_code == 200
    answer = client.post("/api/v1/platform/apply", json=platform_body(FILE))
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")


def test_what_loosens_needs_a_person_who_has_just_proved_who_it_is(client_as: As) -> None:
    service = client_as("admin", PrincipalKind.SERVICE)
    tighter, looser = platform_body("policy_packs: [uae]\n"), platform_body("policy_packs: []\n")
    assert service.post("/api/v1/platform/apply", json=tighter).status_code == 200
    refused = service.post("/api/v1/platform/apply", json=looser)
    assert (refused.status_code, refused.json()["code"]) == (403, "platform.person-needed")
    assert "policy_packs.uae" in refused.json()["title"]
    tired = client_as("admin", proved_s_ago=301.0)
    refused = tired.post("/api/v1/platform/apply", json=looser)
    assert (refused.status_code, refused.json()["code"]) == (403, "identity.step-up-needed")
    assert tired.get("/api/v1/platform").json()["version"] == 1
    awake = client_as("admin")
    assert awake.post("/api/v1/platform/apply", json=looser).json()["version"] == 2


def test_an_old_plan_is_refused(admin: TestClient) -> None:
    admin.post("/api/v1/platform/apply", json=platform_body(FILE, base=0))
    answer = admin.post("/api/v1/platform/apply", json=platform_body("policy_packs: []", base=0))
    assert (answer.status_code, answer.json()["code"]) == (409, "platform.changed")


def test_what_would_strand_an_endpoint_is_refused(admin: TestClient, platform: Platform) -> None:
    with platform.database.transaction() as session:
        session.add(
            EndpointRow(
                location="local", environment="test", model="flight-delay", release=1, version=1, plan={}, status={},
                updated_at=0.0,
            )
        )  # fmt: skip
    for route in ("plan", "apply"):
        answer = admin.post(f"/api/v1/platform/{route}", json=platform_body("environments: {dev: {rank: 0}}"))
        assert (answer.status_code, answer.json()["code"]) == (409, "platform.in-use")
        assert "test/flight-delay serves release 1 at local" in answer.json()["title"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (platform_body("enviroments: {}"), 400, "platform.invalid"),
        (platform_body(""), 400, "platform.invalid"),
        (platform_body("a: \x00"), 400, "platform.invalid"),
        (platform_body("policies: {mine: mine.cedar}"), 400, "platform.invalid"),
        (platform_body("policies: {mine: mine.cedar}", policies={"mine.cedar": "permit("}), 400, "policy.invalid"),
        (platform_body("x" * 1_000_001), 400, "request.invalid"),
        (platform_body("a: b", policies={f"{n}.cedar": "" for n in range(101)}), 400, "request.invalid"),
        (platform_body("a: b", surprise=1), 400, "request.invalid"),
        ({"name": "x"}, 400, "request.invalid"),
    ],
)
def test_what_is_sent_is_checked_again(admin: TestClient, body: dict[str, Any], status: int, code: str) -> None:
    for route in ("plan", "apply"):
        answer = admin.post(f"/api/v1/platform/{route}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_text_that_is_no_text_is_refused(admin: TestClient) -> None:
    body = b'{"name": "p", "text": "owner: \\ud800"}'
    answer = admin.post("/api/v1/platform/plan", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_a_mistake_says_where_it_stands(admin: TestClient) -> None:
    answer = admin.post("/api/v1/platform/plan", json=platform_body("timezone: UTC\npolicy_pack: [uae]\n"))
    assert answer.json()["where"] == "platform.yaml:2:1"
    assert "policy_packs" in answer.json()["hint"]


def test_drift_is_looked_at_now(admin: TestClient, platform: Platform) -> None:
    admin.post("/api/v1/platform/apply", json=platform_body(FILE))
    assert admin.get("/api/v1/platform/drift").json()["findings"] == []
    platform_file(platform.home).write_text("policy_packs: []\n")
    (platform.home.keys / "trusted.json").write_text("{}")
    drift_findings = admin.get("/api/v1/platform/drift").json()["findings"]
    assert [(each["kind"], each["subject"]) for each in drift_findings] == [
        ("file", "policy_packs.uae"),
        ("file", "roles.group audit is auditor in the tenant"),
        ("key", "trusted.json"),
    ]


def test_the_watch_raises_an_alarm_after_two_looks_on_schedule(platform: Platform) -> None:
    watch = DriftWatch(platform)
    platform_file(platform.home).write_text("policy_packs: [uae]\n")
    assert watch.turn(1000.0) == ()
    assert watch.turn(1001.0) == (), "it is not time yet"
    assert [each.subject for each in watch.turn(1300.0)] == ["policy_packs.uae"]
    with platform.database.reading() as session:
        raised = session.query(EventRow).filter_by(kind="platform.drift").all()
    assert [event.data["findings"][0]["kind"] for event in raised] == ["file"]


def test_a_file_that_is_broken_or_gone_is_drift(platform: Platform) -> None:
    named = Platform(
        type(platform.home)(platform.home.root, {"FALAJ_PLATFORM_FILE": str(platform.home.root / "gone.yaml")}),
        platform.database,
    )
    for chosen, text in ((platform, "x: ["), (named, "")):
        if text:
            platform_file(chosen.home).write_text(text)
        watch = DriftWatch(chosen)
        watch.turn(0.0)
        assert [each.kind for each in watch.turn(10_000.0)] == ["file"]


def test_what_holds_reaches_other_rooms(admin: TestClient, platform: Platform) -> None:
    admin.post("/api/v1/platform/apply", json=platform_body("environments: {lab: {rank: 0}, live: {rank: 1}}"))
    with platform.database.reading() as session:
        assert list(settings.current(session).environments) == ["lab", "live"]
