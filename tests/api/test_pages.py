"""The page of security keys: what it is allowed to do, and the way from a command through a browser and back."""

from __future__ import annotations

import base64
import json
import re
import threading
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from falaj.sdk.key_page import KeyCeremony
from falaj.sdk.loopback import BrowserLoginError
from tests.security_keys import SoftwareKey
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

PAGE = "http://localhost:8470/security-key"


def test_the_page_runs_its_own_script_and_nothing_else(anonymous: TestClient) -> None:
    answered = anonymous.get("/security-key")
    policy = answered.headers["content-security-policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert answered.status_code == 200 and answered.text.count(f'nonce="{nonce}"') == 2
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for part in ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for"):
        assert part in policy
    for name, value in (("x-frame-options", "DENY"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")):
        assert answered.headers[name] == value
    assert nonce not in anonymous.get("/security-key").text, "each answer has a nonce of its own"


def test_the_page_has_nothing_of_others_and_no_handler_in_its_markup(anonymous: TestClient) -> None:
    text = anonymous.get("/security-key").text
    markup, _, script = text.partition("<script")
    assert not re.search(r"\son\w+\s*=|javascript:|\ssrc=|\shref=|style=\"", markup)
    assert not re.search(
        r"innerHTML|outerHTML|document\.write|insertAdjacent|eval|Function\(|fetch\(|https?://", script
    )
    assert script.count("<script") == 0, "one script, and it has the nonce"


def test_the_page_says_nothing_of_what_it_was_asked_with(anonymous: TestClient) -> None:
    answered = anonymous.get("/security-key?x=<script>alert(1)</script>")
    assert "alert(1)" not in answered.text


def test_an_address_gives_the_browser_all_it_needs_and_the_server_nothing() -> None:
    with KeyCeremony(PAGE, "get", {"challenge": "abc"}, "5d" * 32) as ceremony:
        page, _, fragment = ceremony.address.partition("#")
        page_request = _account_body(fragment)
        assert (
            page == PAGE and page_request["options"] == {"challenge": "abc"} and page_request["statement"] == "5d" * 32
        )
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]*/[A-Za-z0-9_-]{16,64}", page_request["return_to"])


def test_a_key_that_a_browser_asked_for_comes_back_to_the_command() -> None:
    key = SoftwareKey("http://localhost:8470", "localhost")
    with KeyCeremony(PAGE, "create", {"challenge": "abc", "rp": {"id": "localhost"}}) as ceremony:
        browser = threading.Thread(target=_browse, args=(ceremony.address, key))
        browser.start()
        answer = ceremony.answer(wait_s=HANGS_AFTER_S)
        browser.join()
    assert set(answer["response"]) == {"clientDataJSON", "attestationObject"} and answer["type"] == "public-key"


@pytest.mark.parametrize("brought", ["answer=", "answer=%3F%3F", "answer=W10", "other=1"])
def test_what_is_no_answer_is_not_taken_for_one(brought: str) -> None:
    with KeyCeremony(PAGE, "get", {}) as ceremony:
        back = _account_body(ceremony.address.partition("#")[2])["return_to"]
        browser = threading.Thread(target=httpx.get, args=(f"{back}?{brought}",), kwargs={"timeout": HANGS_AFTER_S})
        browser.start()
        with pytest.raises(BrowserLoginError):
            ceremony.answer(wait_s=2)
        browser.join()


def test_a_browser_that_does_not_come_is_not_waited_for_for_ever() -> None:
    with KeyCeremony(PAGE, "get", {}) as ceremony, pytest.raises(BrowserLoginError, match="did not come back"):
        ceremony.answer(wait_s=0.05)


def _account_body(fragment: str) -> dict[str, Any]:
    page_request: dict[str, Any] = json.loads(base64.urlsafe_b64decode(fragment + "=" * (-len(fragment) % 4)))
    return page_request


def _browse(address: str, key: SoftwareKey) -> None:
    """What the page's script does, with a key in software."""
    page_request = _account_body(address.partition("#")[2])
    answer = key.create(page_request["options"])
    text = base64.urlsafe_b64encode(json.dumps(answer).encode()).rstrip(b"=").decode()
    httpx.get(page_request["return_to"], params={"answer": text}, timeout=HANGS_AFTER_S)
