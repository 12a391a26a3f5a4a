"""What holds, who may what, and who is here?"""

from __future__ import annotations

import pytest

from falaj.sdk import Client
from tests.browsers import CHROMIUM
from tests.platforms import Served
from tests.ui.installation import Reader
from tests.ui.monitored import raise_alert

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.ui,
    pytest.mark.timeout(120),
]


def test_policy_answers_a_question_that_stands_in_the_address(reader: Reader) -> None:
    reader.open("/policy?action=approve-change&environment=prod")
    assert "sod-admin" in reader.see(".answer", "You may not.")
    reader.select("select[name=action]", "manage-accounts")
    reader.see(".answer", "You may.")
    assert reader.page.run("location.search") == "?action=manage-accounts&environment=prod"
    assert "sod-self-approve" in reader.see(".rules")


def test_the_platform_says_where_a_release_goes_and_why(reader: Reader, installation: Served) -> None:
    placements = Client.of_installation(installation.home).locations.placement("flight-delay@1")
    reader.open("/platform?release=flight-delay")
    reader.see("section:nth-of-type(4) tbody", placements[0].rule)
    assert reader.page.run("document.querySelectorAll('section')[3].querySelectorAll('tbody tr').length") == len(
        placements
    )


def test_an_account_is_locked_by_its_name_and_with_a_reason(reader: Reader, installation: Served) -> None:
    reader.open("/accounts")
    reader.click("tbody .ask button")
    reader.type("dialog[open] textarea", "left")
    assert reader.page.run("document.querySelector('dialog[open] button.primary').disabled"), "its name is not typed"
    reader.type("dialog[open] input", "someone-else")
    assert reader.page.run("document.querySelector('dialog[open] button.primary').disabled")
    assert "user:root" in reader.see("tbody")


def test_an_alert_is_muted(reader: Reader, installation: Served, alert: str) -> None:
    reader.open(f"/alerts/{alert}")
    reader.click(".actions .ask:nth-of-type(2) button")
    reader.type("dialog[open] textarea", "known, mended tomorrow")
    reader.click("dialog[open] button.primary")
    reader.see(".lead", "muted")
    assert Client.of_installation(installation.home).monitoring.alert(alert).muted_until is not None


@pytest.fixture(scope="module")
def alert(installation: Served) -> str:
    raise_alert(installation.platform, "muted1", "open", installation.platform.now())
    return "muted1"


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_everyone_reads_them(reader: Reader, language: str, theme: str) -> None:
    reader.choose(language=language, theme=theme)
    pages = {
        "/policy": (".rules", "sod-admin"),
        "/platform?release=flight-delay@1": ("tbody", "local"),
        "/accounts": ("tbody", "user:root"),
    }
    assert reader.violations_of(pages) == {}
