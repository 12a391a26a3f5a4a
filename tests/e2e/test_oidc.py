"""People of a real identity provider log in to a real server, by the command line and a browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.trust.identity.federation.logins import s256
from tests.cli.conftest import FALAJ, environment
from tests.databases import migrated_sqlite
from tests.identity_providers import prove_at_nanoidp, run_nanoidp
from tests.platforms import answering
from tests.trust.identity.federation.conftest import VERIFIER, query, with_provider
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Place:
    """A server, a provider, and the folder of the people's credentials."""

    platform: Platform
    issuer: str
    people: Path

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        variables = environment(self.platform.home.root, FALAJ_CREDENTIALS=str(self.people), BROWSER="false")
        return subprocess.Popen(
            [FALAJ, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.people,
        )  # fmt: skip

    def begin(self, browser: httpx.Client, return_to: str) -> str:
        """Begin a login as a browser; return the provider's page."""
        query_params = {"challenge": s256(VERIFIER), "return_to": return_to}
        return str(
            browser.get(f"{self.platform.home.public_url}/api/v1/auth/oidc/start", params=query_params).headers[
                "location"
            ]
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("oidc")
    for name in ("idp", "people"):
        (folder / name).mkdir()
    database = migrated_sqlite(folder / "falaj.db")
    platform = Platform(Home(folder / "home", {}).prepare(), database)
    with answering(platform):
        callback = f"{platform.home.public_url}/api/v1/auth/oidc/callback"
        with run_nanoidp(folder / "idp", callback) as issuer:
            with_provider(platform, issuer)
            yield Place(platform, issuer, folder / "people")
    database.close()


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=HANGS_AFTER_S) as client:
        yield client


def test_a_person_logs_in_by_the_command_line_and_has_an_approval_key(place: Place, browser: httpx.Client) -> None:
    login = place.command("login", "--oidc", "--no-browser")
    assert login.stdout is not None
    address = re.sub(r"^log in at ", "", login.stdout.readline().strip())
    back = prove_at_nanoidp(browser, browser.get(address).headers["location"])
    loopback = browser.get(back).headers["location"]
    assert loopback.startswith("http://127.0.0.1:")
    assert browser.get(loopback.partition("?")[0].rpartition("/")[0] + "/guess?code=x").status_code == 404
    assert "close this window" in browser.get(loopback).text
    output, complaint = login.communicate(timeout=HANGS_AFTER_S)
    assert login.returncode == 0, complaint
    assert "logged in as user:mariam" in output and "approval key" in output
    assert (place.people / "mariam" / "approval.pem").exists()
    shown, _ = place.command("access", "whoami", "--json").communicate(timeout=HANGS_AFTER_S)
    me: dict[str, Any] = json.loads(shown)
    assert (me["id"], me["email"], me["groups"]) == ("user:mariam", "mariam@example.org", ["ml", "release-managers"])
    assert {role["role"] for role in me["roles"]} == {"data-scientist", "release-manager"}
    assert "code=" not in output and VERIFIER not in output


def test_somebody_else_than_was_named_is_not_logged_in(place: Place, browser: httpx.Client) -> None:
    login = place.command("--account", "omar", "login", "--oidc", "--no-browser")
    assert login.stdout is not None
    address = re.sub(r"^log in at ", "", login.stdout.readline().strip())
    browser.get(browser.get(prove_at_nanoidp(browser, browser.get(address).headers["location"])).headers["location"])
    _, complaint = login.communicate(timeout=HANGS_AFTER_S)
    assert login.returncode == 2 and "says that you are mariam, not omar" in complaint
    assert not (place.people / "omar").exists()


def test_a_wrong_password_brings_nobody_back(place: Place, browser: httpx.Client) -> None:
    address = place.begin(browser, "/")
    with pytest.raises(KeyError):  # the provider shows its page again instead
        prove_at_nanoidp(browser, address, password="wrong")


def test_the_provider_refuses_its_code_with_another_verifier(place: Place, browser: httpx.Client) -> None:
    back = prove_at_nanoidp(browser, place.begin(browser, "/"))
    with place.platform.database.transaction() as session:
        from falaj.storage.federation_tables import LoginRow

        for row in session.query(LoginRow):
            row.verifier = row.verifier[::-1]
    assert query(browser.get(back).headers["location"])["error"] == "federation.code"


def test_the_provider_takes_its_code_once(place: Place, browser: httpx.Client) -> None:
    back = prove_at_nanoidp(browser, place.begin(browser, "/"))
    assert "code" in query(browser.get(back).headers["location"])
    place.begin(browser, "/")
    page = place.begin(browser, "/")
    callback_params = query(back) | {"state": query(page)["state"]}
    again = browser.get(back.partition("?")[0], params=callback_params)
    assert query(again.headers["location"])["error"] == "federation.code"


def test_the_provider_knows_one_place_to_send_browsers_to(place: Place, browser: httpx.Client) -> None:
    address = place.begin(browser, "/").replace("oidc%2Fcallback", "oidc%2Felsewhere")
    answer = browser.get(address)
    assert answer.status_code == 400 and "location" not in answer.headers


def test_a_platform_with_a_secret_of_its_own(place: Place, browser: httpx.Client) -> None:
    with_provider(place.platform, place.issuer, client_id="falaj-secret")
    secret = place.platform.home.oidc_secret
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600)
    for offered, answer in (("wrong", "error"), ("s3cret", "code")):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, offered.encode(), 0)
        back = prove_at_nanoidp(browser, place.begin(browser, "/"))
        assert answer in query(browser.get(back).headers["location"])
    os.close(descriptor)
