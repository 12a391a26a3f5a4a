"""How the web UI is served: to whom, under which policy, and for how long a browser may keep what it got."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.api.user_interface import CONTENT_POLICY, PAGES
from tests.apps import app_of

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.integration]
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def browser(platform: Platform) -> TestClient:
    return TestClient(app_of(platform), base_url=platform.home.ui_url, headers=BROWSER, follow_redirects=False)


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/0abc1def2ghi?node=fit", "/models/a/releases/7", "/login"])
def test_every_page_is_the_same_shell_under_the_same_policy(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200 and answer.text == browser.get("/").text
    assert answer.headers["content-security-policy"] == CONTENT_POLICY and "unsafe" not in CONTENT_POLICY
    assert answer.headers["cache-control"] == "no-cache" and answer.headers["x-content-type-options"] == "nosniff"


def test_the_shell_has_nothing_inline_and_nothing_from_elsewhere(browser: TestClient) -> None:
    shell = browser.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|style=|\son\w+=|https?:", shell)
    sources = re.findall(r'(?:src|href)="([^"]+)"', shell)
    assert len(sources) >= 3 and all(re.fullmatch(r"/assets/[0-9a-f]{16}/[a-z]+\.\w+", source) for source in sources)
    for source in sources:
        answer = browser.get(source)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]


def test_files_of_another_build_are_not_mistaken_for_ours(browser: TestClient) -> None:
    script = re.findall(r'src="([^"]+)"', browser.get("/").text)[0]
    for address in (script.replace("/assets/", "/assets/0"), "/assets/x/app.js", "/assets/../app.js"):
        assert browser.get(address).status_code == 404
    assert browser.get(script.replace("app.js", "index.html")).json()["code"] == "ui.asset"


def test_what_is_no_page_stays_a_problem(browser: TestClient) -> None:
    assert browser.get("/nothing").json()["code"] == "http.404"
    assert browser.get("/runs", headers={"accept": "application/json"}).json()["code"] == "http.404"
    assert browser.post("/runs").status_code == 404
    assert "api" not in PAGES and "metrics" not in PAGES


def test_a_browser_is_sent_to_the_address_that_its_session_is_for(browser: TestClient, platform: Platform) -> None:
    for host in ("127.0.0.1:8470", "localhost:8470", "[::1]:8470"):
        answer = browser.get("/runs?state=failed", headers={"host": host})
        assert (answer.status_code, answer.headers["location"]) == (307, f"{platform.home.ui_url}/runs?state=failed")
    answer = browser.get("/runs", headers={"host": "evil.example.org"})
    assert (answer.status_code, answer.json()["code"]) == (421, "ui.address")
