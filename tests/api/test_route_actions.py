from __future__ import annotations

import re
import stat

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from falaj.api.agent_mtls import AUTHORITY_PATH, ENROL_PATH, RETURN_PATH
from falaj.api.platform import Platform
from falaj.api.route_actions import Action, action, declared, require_actions, walk

pytestmark = pytest.mark.integration

OPEN = {
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/installation"),
    ("POST", "/api/v1/webhooks/{vendor}/{project}"),
    ("POST", "/api/v1/projects/{project}/events"),
    ("POST", "/api/v1/auth/setup"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/password"),
    ("GET", "/api/v1/auth/oidc"),
    ("GET", "/api/v1/auth/oidc/start"),
    ("GET", "/api/v1/auth/oidc/callback"),
    ("POST", "/api/v1/auth/oidc/redeem"),
    ("GET", "/security-key"),
    ("GET", AUTHORITY_PATH),
    ("POST", ENROL_PATH),
    ("POST", RETURN_PATH),
}


def test_exactly_these_routes_answer_without_a_token(anonymous: TestClient) -> None:
    route_count = 0
    for path, route in walk(anonymous.app):
        for method in route.methods or ():
            answer = anonymous.request(method, re.sub(r"\{[^}]+\}", "x", path))
            route_count += 1
            if (method, path) in OPEN:
                assert declared(route) is Action.PUBLIC
                assert answer.status_code != 401
            else:
                assert answer.status_code == 401, f"{method} {path}"
                assert answer.json()["code"] == "auth.unauthenticated"
    assert route_count >= 20


@pytest.mark.parametrize("offered", ["Bearer wrong", "Bearer ", "Basic abc", "Bearer tökèn"])
def test_a_wrong_token_is_refused(anonymous: TestClient, offered: str) -> None:
    assert anonymous.get("/api/v1/runs", headers={"authorization": offered.encode()}).status_code == 401


def test_a_route_without_an_action_does_not_start() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/inner")
    app.get("/said", **action(Action.READ))(lambda: None)
    router.get("/silent")(lambda: None)
    app.include_router(router)
    with pytest.raises(RuntimeError, match="/inner/silent"):
        require_actions(app)


def test_the_token_is_for_its_owner_alone(platform: Platform) -> None:
    assert len(platform.home.token) >= 32
    assert stat.S_IMODE((platform.home.root / "token").stat().st_mode) == 0o600
