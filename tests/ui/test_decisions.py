"""Shall this go there, does it harm, why does it serve: each page says so, to everyone, and keeps no key."""

from __future__ import annotations

import re

import pytest

from falaj.cli.approval_digest import digest_of_approval
from falaj.sdk import Client
from falaj.sdk.http import ProblemError
from tests.browsers import CHROMIUM
from tests.platforms import Served
from tests.ui.installation import NAME as ROOT
from tests.ui.installation import PASSWORD, Reader
from tests.ui.scenes import ALERT, CHANGE, NAME, fill_decisions
from tests.waiting import until

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.ui,
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def rollout(installation: Served) -> str:
    return fill_decisions(installation.platform)


@pytest.fixture
def pages(rollout: str) -> dict[str, tuple[str, str]]:
    """By address: what is shown on it when its own rows are there, and where."""
    return {
        "/": ("section", CHANGE),
        "/models": ("tbody", "flight-delay"),
        "/models/flight-delay": (".ladder", "flight-delay@1"),
        "/models/flight-delay/releases/1": ("section:nth-of-type(2) tbody", "train"),
        "/changes": ("tbody", CHANGE),
        f"/changes/{CHANGE}": ("#signed pre", "flight-delay@1"),
        "/rollouts": ("tbody", rollout),
        f"/rollouts/{rollout}": ("figure", "errors"),
        "/endpoints": ("tbody", "dev/flight-delay"),
        "/endpoints/dev/flight-delay": (".story", "flight-delay@1"),
        "/alerts": ("tbody", ALERT),
        f"/alerts/{ALERT}": (".notes", NAME[:2]),
        "/me": ("section:nth-of-type(3) tbody", "login"),
    }


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_every_page_can_be_used_by_everyone(
    reader: Reader, pages: dict[str, tuple[str, str]], language: str, theme: str
) -> None:
    reader.choose(language=language, theme=theme)
    assert reader.violations_of(pages) == {}


def test_what_is_signed_is_what_the_command_expects(reader: Reader, installation: Served, rollout: str) -> None:
    reader.open(f"/changes/{CHANGE}")
    digest = re.search(r"--expect ([0-9a-f]{64})", reader.see("#signed .command"))
    assert digest is not None and digest[1] in reader.see("#signed")
    to_sign = Client.of_installation(installation.home).changes.to_sign(CHANGE)
    as_reader = {**to_sign.approval, "approver": "user:root"}
    assert digest[1] == digest_of_approval(as_reader)
    assert "approved_at" not in reader.see("#signed pre")


def test_who_may_not_is_told_so_before_the_click(reader: Reader, rollout: str) -> None:
    reader.open(f"/changes/{CHANGE}")
    reader.see(".actions .ask small", "do not include it")
    reader.click(".actions .ask button")
    assert reader.page.run("document.querySelectorAll('dialog[open]').length") == 0
    assert reader.page.run("document.querySelector('.actions .ask button').getAttribute('aria-disabled')") == "true"


def test_names_are_shown_and_never_become_markup(reader: Reader, rollout: str) -> None:
    reader.open(f"/changes/{CHANGE}")
    assert "onclick" in reader.see("blockquote")
    assert reader.page.run("document.querySelectorAll('[onclick]').length") == 0


def test_an_alert_is_acknowledged_and_the_log_says_by_whom(reader: Reader, installation: Served, rollout: str) -> None:
    reader.open(f"/alerts/{ALERT}")
    reader.click(".actions .ask button")
    reader.type("dialog[open] textarea", "the carrier changed its codes")
    reader.click("dialog[open] button.primary")
    reader.see(".lead", "acknowledged")
    assert "the carrier changed its codes" in reader.see("article", "the carrier changed")
    entries = Client.of_installation(installation.home).audit.entries(kind="alert.")
    assert [each.actor for each in entries][:1] == ["user:root"]


def test_a_session_elsewhere_is_ended(reader: Reader, installation: Served) -> None:
    client = Client(installation.home.server_url, "")
    elsewhere = Client(installation.home.server_url, client.identity.log_in(ROOT, PASSWORD).token)
    assert elsewhere.identity.whoami().id == "user:root"
    reader.open("/me")
    reader.see("section:nth-of-type(3) tbody", "terminal")
    of_terminals = "[...document.querySelectorAll('tbody tr')].filter(r => r.innerText.includes('terminal'))"
    reader.page.run(f"{of_terminals}.forEach(r => r.querySelector('button').click())")
    until(lambda: _is_refused(elsewhere))


def _is_refused(client: Client) -> bool:
    try:
        client.identity.whoami()
    except ProblemError as error:
        return error.status == 401
    return False
