"""What a browser carries: who gets it, what it opens, what another site can make of it, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.storage import Database
from falaj.trust.identity import offer_setup
from falaj.trust.identity.sessions import BROWSER_IDLE_S, SESSION_S
from tests.apps import app_of

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.integration]

LOCAL = "http://falaj.localhost:8470"
PUBLIC = "https://falaj.example.org"
CREDENTIALS = {"name": "root", "password": "correct horse battery", "cookie": True}
TOKEN = {"label": "ci", "actions": ["read"], "days": 1}


class Clock:
    """A platform's clock."""

    def __init__(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = platform.now()
        monkeypatch.setattr(Platform, "now", staticmethod(lambda: self.at))


@pytest.fixture(params=[LOCAL, PUBLIC])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def platform(tmp_path: object, database: Database, url: str) -> Platform:
    settings = {} if url == LOCAL else {"FALAJ_PUBLIC_URL": url}
    return Platform(Home(tmp_path / "home", settings).prepare(), database)  # type: ignore[operator]


@pytest.fixture
def browser(platform: Platform, url: str) -> TestClient:
    """A page of the web UI, with nobody logged in and the first administrator there."""
    link = offer_setup(platform.database, platform.home.root, url, platform.now())
    assert link is not None
    client = TestClient(app_of(platform), base_url=url, headers=own(url), raise_server_exceptions=False)
    first = {"link": link.read_text(), "email": "root@example.org", **CREDENTIALS}
    assert client.post("/api/v1/auth/setup", json=first).json()["token"] == ""
    client.cookies.clear()
    return client


def own(url: str) -> Mapping[str, str]:
    """What a browser and our pages send with every change."""
    return {"origin": url, "x-falaj-csrf": "1"}


def test_a_login_gives_a_cookie_that_no_script_and_no_other_host_sees(browser: TestClient, url: str) -> None:
    answer = browser.post("/api/v1/auth/login", json=CREDENTIALS)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200 and answer.json()["token"] == ""
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; ")) and "Domain" not in cookie
    assert cookie.startswith("__Host-falaj=") is ("; Secure" in cookie) is (url == PUBLIC)
    assert browser.get("/api/v1/auth/whoami").json()["id"] == "user:root"
    assert browser.get("/api/v1/events/last").status_code == 200


def test_a_cookie_changes_nothing_from_another_site(browser: TestClient) -> None:
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    for name, value in (
        ("origin", "https://evil.example.org"),
        ("origin", "null"),
        ("origin", ""),
        ("x-falaj-csrf", None),
    ):
        sent = {**browser.headers, name: value}
        request = browser.build_request("POST", "/api/v1/auth/logout")
        request.headers.clear()
        request.headers.update({key: text for key, text in sent.items() if text is not None})
        request.headers["cookie"] = "; ".join(f"{key}={text}" for key, text in browser.cookies.items())
        request.headers["host"] = browser.base_url.netloc.decode()
        answer = browser.send(request)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.cross-site"), (name, value)
    assert browser.get("/api/v1/auth/whoami").status_code == 200, "nobody was logged out"


def test_a_login_from_another_site_gives_no_cookie(browser: TestClient) -> None:
    answer = browser.post("/api/v1/auth/login", json=CREDENTIALS, headers={"origin": "https://evil.example.org"})
    assert answer.json()["code"] == "auth.cross-site" and "set-cookie" not in answer.headers


def test_a_cookie_is_good_at_its_own_host_alone(browser: TestClient) -> None:
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    carried = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for host in ("127.0.0.1:8470", "evil.example.org", "falaj.localhost:9999"):
        answer = browser.get("/api/v1/auth/whoami", headers={"host": host, "cookie": carried})
        assert answer.status_code == 401, host


def test_a_token_beside_a_cookie_needs_no_page(browser: TestClient, platform: Platform) -> None:
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    headers = {"authorization": f"Bearer {platform.home.token}", "origin": "https://evil.example.org"}
    assert browser.get("/api/v1/auth/whoami", headers=headers).json()["id"] == "service:home"


def test_the_installations_token_opens_nothing_as_a_cookie(browser: TestClient, platform: Platform) -> None:
    name = "__Host-falaj" if platform.home.ui_url == PUBLIC else "falaj"
    browser.cookies.set(name, platform.home.token)
    assert browser.get("/api/v1/auth/whoami").status_code == 401


def test_a_session_ends_at_logout(browser: TestClient) -> None:
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    carried = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert browser.post("/api/v1/auth/logout").status_code == 204
    assert not browser.cookies, "the browser was told to forget it"
    assert browser.get("/api/v1/auth/whoami", headers={"cookie": carried}).status_code == 401


def test_a_person_sees_and_ends_own_sessions(browser: TestClient) -> None:
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    elsewhere = browser.post("/api/v1/auth/login", json={**CREDENTIALS, "cookie": False}).json()["token"]
    sessions = browser.get("/api/v1/auth/sessions").json()
    assert [each["browser"] for each in sessions if each["current"]] == [True]
    (terminal,) = [each["id"] for each in sessions if not each["browser"]]
    assert browser.delete(f"/api/v1/auth/sessions/{terminal}").status_code == 204
    assert browser.delete(f"/api/v1/auth/sessions/{terminal}").json()["code"] == "identity.unknown"
    answer = browser.get("/api/v1/auth/whoami", headers={"authorization": f"Bearer {elsewhere}"})
    assert answer.status_code == 401


def test_a_session_ends_after_an_hour_without_use(
    browser: TestClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(platform, monkeypatch)
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    clock.at += BROWSER_IDLE_S - 10
    assert browser.get("/api/v1/auth/whoami").status_code == 200
    clock.at += BROWSER_IDLE_S - 10
    by_itself = {"x-falaj-background": "1"}
    assert browser.get("/api/v1/auth/whoami", headers=by_itself).status_code == 200, "it was used in between"
    clock.at += 20
    assert browser.get("/api/v1/auth/whoami").status_code == 401, "what a page asks by itself keeps none alive"


def test_a_session_ends_after_half_a_day_of_use(
    browser: TestClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(platform, monkeypatch)
    browser.post("/api/v1/auth/login", json=CREDENTIALS)
    for _ in range(23):
        clock.at += SESSION_S / 24
        assert browser.get("/api/v1/auth/whoami").status_code == 200
    clock.at += SESSION_S / 24
    assert browser.get("/api/v1/auth/whoami").status_code == 401
