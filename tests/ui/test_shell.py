"""The frame of every page: its keys, its one-time links, and what it says when the server is gone."""

from __future__ import annotations

import pytest

from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.schemas.identity import GrantedRole
from falaj.sdk import Client
from falaj.trust.identity import offer_setup
from tests.browsers import CHROMIUM, Page, browsing
from tests.databases import migrated_sqlite
from tests.platforms import Served, answering
from tests.ui.installation import NAME, PASSWORD, Reader

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.ui,
    pytest.mark.timeout(240),
]


def press(page: Page, key: str, *, control: bool = False) -> None:
    """A key goes down and up."""
    text = {} if control or len(key) > 1 else {"text": key}
    code = {"Enter": 13, "ArrowDown": 40}.get(key, ord(key[0].upper()))
    about = {"key": key, "modifiers": 2 if control else 0, "windowsVirtualKeyCode": code, "code": f"Key{key.upper()}"}
    page.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
    page.call("Input.dispatchKeyEvent", type="keyUp", **about)


def test_the_palette_leads_to_a_release_by_keys_alone(reader: Reader) -> None:
    reader.open("/runs")
    press(reader.page, "k", control=True)
    reader.see("dialog[open] [role=option]")
    assert reader.violations() == []
    reader.page.call("Input.insertText", text="flight-delay@1")
    reader.see("dialog[open] [aria-selected=true]", "flight-delay@1")
    press(reader.page, "Enter")
    reader.see("h1", "flight-delay@1")


def test_two_letters_lead_to_a_page(reader: Reader) -> None:
    reader.open("/runs")
    press(reader.page, "g")
    press(reader.page, "m")
    reader.see("h1", "Models")


def test_the_first_administrator_comes_by_the_printed_link(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fresh")
    database = migrated_sqlite(folder / "falaj.db")
    platform = Platform(Home(folder / "home", {}).prepare(), database)
    with answering(platform), browsing(folder / "profile") as page:
        link = offer_setup(database, platform.home.root, platform.home.server_url, platform.now())
        assert link is not None
        new = Reader(page, "")
        new.open(link.read_text().strip())  # it names the loopback address, and the browser is sent on with its secret
        for name, value in {"name": NAME, "email": "r@example.org", "password": PASSWORD, "again": PASSWORD}.items():
            new.type(f"input[name={name}]", value)
        new.click("form button.primary")
        new.see("h1", "Inbox")
        assert page.run("location.origin") == platform.home.ui_url and not link.exists()
        assert page.run("document.cookie") == "" and page.console == []
    database.close()


def test_a_new_password_is_chosen_by_a_link(reader: Reader, installation: Served) -> None:
    client = Client(installation.home.server_url, "")
    root = Client(installation.home.server_url, client.identity.log_in(NAME, PASSWORD).token)
    link = root.accounts.invite("lina", "lina@example.org", []).link
    root.accounts.set_roles("lina", [GrantedRole("auditor")])
    reader.open(f"/password#{link.rpartition('#')[2]}")
    for name in ("password", "again"):
        reader.type(f"input[name={name}]", "a good long password")
    reader.click("form button.primary")
    reader.see("h1", "Log in")
    reader.log_in("lina", "a good long password")
    reader.see(".reader summary", "lina")
    root.accounts.set_roles("lina", [])
    reader.open("/login")
    reader.see(".problem", "auth.forbidden")
