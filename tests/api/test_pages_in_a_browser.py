"""A person registers a security key and touches it for an approval, with the command and a real browser.

The browser is `FALAJ_TEST_CHROMIUM`, `chromium` on the path, or the one that `make tools` fetches.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.sdk import Client
from falaj.sdk.key_page import KeyCeremony
from falaj.trust.identity import offer_setup
from tests.browsers import CHROMIUM, Page, browsing
from tests.databases import migrated_sqlite
from tests.platforms import answering
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.timeout(300),
    pytest.mark.integration,
]

FALAJ = Path(sys.executable).parent / "falaj"
STATEMENT = "5d" * 32


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    new_platform = Platform(Home(tmp_path / "home", {}).prepare(), database)
    with answering(new_platform):
        yield new_platform
    database.close()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browsing(tmp_path / "profile") as browser_page:
        yield browser_page


def test_a_key_is_registered_and_touched(platform: Platform, page: Page, tmp_path: Path) -> None:
    variables = _logged_in(platform, tmp_path / "credentials")
    command = subprocess.Popen(
        [FALAJ, "access", "security-key", "register", "--label", "blue", "--no-browser"],
        env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stderr is not None
    address = command.stderr.readline().removeprefix("open ").strip()
    assert _shown(page, address) == f"For root at {httpx.URL(address).netloc.decode()}."
    page.run("document.getElementById('touch').click()")
    out, err = command.communicate(timeout=HANGS_AFTER_S)
    assert command.returncode == 0 and "is registered as 'blue'" in out, err
    client = Client(platform.home.server_url, variables["FALAJ_TOKEN"])
    options = client.federation.begin_step_up(STATEMENT)
    with KeyCeremony(client.federation.key_page(), "get", options, STATEMENT) as ceremony:
        assert STATEMENT in str(_shown(page, ceremony.address))
        page.run("document.getElementById('touch').click()")
        proved = client.federation.finish_step_up(ceremony.answer(wait_s=HANGS_AFTER_S))
    assert proved.statement == STATEMENT and proved.method == "webauthn"
    assert not page.console, "the page kept to its own policy"


@pytest.mark.parametrize(
    "back", ["https://evil.example.org/0123456789abcdef", "javascript:alert(1)//0123456789abcdef",
             "http://127.0.0.1:80@evil.example.org/0123456789abcdef", "http://127.0.0.1:8000/../0123456789abcdef"],
)  # fmt: skip
def test_a_page_that_would_lead_elsewhere_does_nothing(platform: Platform, page: Page, back: str) -> None:
    address = _address_to(f"{platform.home.public_url}/security-key", back)
    _shown(page, address)
    assert page.run("document.getElementById('touch').hidden") is True
    assert "not complete" in page.run("document.getElementById('said').textContent")


def _address_to(url: str, back: str) -> str:
    page_request: dict[str, Any] = {"action": "get", "options": {"challenge": "abcd"}, "return_to": back}
    return f"{url}#{base64.urlsafe_b64encode(json.dumps(page_request).encode()).decode().rstrip('=')}"


def _shown(page: Page, address: str) -> Any:
    """Open an address; what the page says that it is about."""
    page.call("Page.navigate", url="about:blank")
    page.call("Page.navigate", url=address)
    until(lambda: page.run("document.readyState + location.pathname") == "complete/security-key")
    return page.run("document.getElementById('about').textContent")


def _logged_in(platform: Platform, folder: Path) -> dict[str, str]:
    """The first administrator's environment, just logged in."""
    link = offer_setup(platform.database, platform.home.root, platform.home.server_url, platform.now())
    assert link is not None
    client = Client(platform.home.server_url, "")
    opened = client.identity.set_up(link.read_text(), "root", "root@example.org", "correct horse battery")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FALAJ_")}
    return variables | {"FALAJ_HOME": str(platform.home.root), "FALAJ_TOKEN": opened.token}
