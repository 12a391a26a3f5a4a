"""Attacks on permission over the real API: each is refused with 403 `auth.forbidden`, and the refusal says by what."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from falaj.api.authentication import PEER
from falaj.api.platform import Platform
from falaj.api.route_actions import require_actions
from falaj.core.home import Home
from falaj.core.principal import Principal, PrincipalKind
from falaj.trust import policy
from tests.api.people import acting_as, grant, person
from tests.apps import app_of
from tests.databases import migrated_sqlite
from tests.trust.policy.scenes import APPROVE, ATTACKS, PEOPLE_ADMIT, Scene

pytestmark = pytest.mark.integration

NAMES = ['"quoted"', "two\nlines", "‮abnormal", 'x" || true || "', "a\\u0000b", "*", "home", "ünï", " "]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    database = migrated_sqlite(tmp_path / "falaj.db")
    return Platform(Home(tmp_path / "home", {}).prepare(), database)


@pytest.fixture
def app(platform: Platform) -> FastAPI:
    return app_of(platform)


def refused(client: TestClient, method: str, path: str, **request_options: object) -> str:
    answer = client.request(method, path, **request_options)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
    refusal: str = answer.json()["title"]
    return refusal


@pytest.mark.parametrize(("forbid", "scene"), ATTACKS)
def test_separation_of_duties_names_what_was_broken(forbid: str, scene: Scene) -> None:
    decision = scene.ask(policy.with_organisation({"ours": PEOPLE_ADMIT}))
    assert (decision.allowed, decision.policy_ids) == (False, (forbid,))


def test_cross_tenant(app: FastAPI, platform: Platform) -> None:
    grant(platform.database, "mallory", "admin")
    refusal = refused(acting_as(app, person("mallory", tenant="rival")), "GET", "/api/v1/runs")
    assert "other-tenant" in refusal


def test_an_administrator_who_is_also_a_release_manager(app: FastAPI, platform: Platform) -> None:
    grant(platform.database, "both", "admin")
    grant(platform.database, "both", "ml-engineer")
    refusal = refused(acting_as(app, "both"), "POST", "/api/v1/runs", json={"project": "p", "commit": "1" * 40})
    assert "sod-admin" in refusal


def test_a_workload_claims_another_location(app: FastAPI) -> None:
    agent = Principal("workload:agent/dubai", PrincipalKind.WORKLOAD, location="dubai")
    refusal = refused(acting_as(app, agent), "GET", "/api/v1/locations/abu-dhabi/desired")
    assert "other-location" in refusal


def test_a_log_in_dated_in_the_future(app: FastAPI, platform: Platform) -> None:
    grant(platform.database, "lina", "data-scientist")
    refusal = refused(acting_as(app, person("lina", authenticated_at=4e9)), "GET", "/api/v1/runs")
    assert "authenticated-in-the-future" in refusal


def test_a_token_used_for_what_it_is_not_made_out_for(app: FastAPI, platform: Platform) -> None:
    grant(platform.database, "lina", "data-scientist")
    reading = acting_as(app, person("lina", actions=frozenset({"read"})))
    assert reading.get("/api/v1/runs").status_code == 200
    assert "token-scope" in refused(reading, "POST", "/api/v1/runs", json={"project": "p", "commit": "1" * 40})


@pytest.mark.parametrize("name", NAMES)
def test_quotes_newlines_and_bidi_in_names(app: FastAPI, platform: Platform, name: str) -> None:
    grant(platform.database, name, "auditor")
    tricky = acting_as(app, person(name))
    assert tricky.get("/api/v1/runs").status_code == 200
    assert "may not run" in refused(tricky, "POST", "/api/v1/runs", json={"project": name, "commit": "1" * 40})


def test_a_user_who_is_named_like_the_installation(app: FastAPI) -> None:
    assert "may not" in refused(acting_as(app, person("home")), "GET", "/api/v1/locations/local/desired")
    assert "may not" in refused(acting_as(app, person("controller/local")), "GET", "/api/v1/runs")


def test_a_policy_engine_error(app: FastAPI, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    grant(platform.database, "lina", "data-scientist")
    monkeypatch.setattr("cedarpy.is_authorized", broken)
    assert "could not be answered, which denies it" in refused(acting_as(app, "lina"), "GET", "/api/v1/runs")


def test_a_forbid_that_fails_is_not_skipped() -> None:
    text = """
        @id("fails") @explain("overflows for one person")
        forbid (principal == User::"mariam", action == Action::"approve-change", resource)
        when { context.now + 9223372036854775807 < 0 };
    """
    decision = APPROVE.ask(policy.with_organisation({"ours": text}))
    assert (decision.allowed, decision.policy_ids) == (False, ("policy-error",))


def test_a_client_cannot_name_itself(app: FastAPI) -> None:
    headers = {PEER: "workload:agent/local", "x-falaj-peer": "workload:agent/local", "x-forwarded-user": "admin"}
    answer = TestClient(app).get("/api/v1/runs", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.unauthenticated")


def test_a_route_without_a_policy() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter()
    router.delete("/everything")(lambda: None)
    app.include_router(router)
    with pytest.raises(RuntimeError, match="routes without an action"):
        require_actions(app)


@pytest.mark.parametrize(
    "path", ["/api/v1//runs", "/api/v1/runs/", "/API/V1/runs", "/api/v1/%72uns", "/api/v1/health/../runs"]
)
def test_another_spelling_of_a_path_opens_nothing(app: FastAPI, path: str) -> None:
    answer = TestClient(app, follow_redirects=False).get(path)
    assert answer.status_code in (307, 401, 404)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "PROPFIND"])
def test_another_method_opens_nothing(app: FastAPI, method: str) -> None:
    assert TestClient(app).request(method, "/api/v1/runs").status_code in (401, 405)


def test_the_home_token_decides_nothing_about_changes() -> None:
    home = Principal("service:home", PrincipalKind.SERVICE)
    granted = tuple(policy.Binding(role) for role in policy.Role)
    for action in (policy.Action.APPROVE_CHANGE, policy.Action.REJECT_CHANGE, policy.Action.REVIEW_CHANGE):
        decision = APPROVE.but(principal=home, bindings=granted, action=action).ask(policy.built_in())
        assert "decided-by-people" in decision.policy_ids
