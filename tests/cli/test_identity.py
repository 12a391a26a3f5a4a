from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.trust.identity import offer_setup
from tests.cli.conftest import Completed, _command
from tests.platforms import Served

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery"
As = Callable[..., Completed]


@pytest.fixture
def run(served: Served, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> As:
    """The command with the credentials folder of this module's people."""
    folder = Path(str(served.home.root) + "-people")
    command = _command(served.home.root, tmp_path)

    def act(*arguments: str, stdin: str = "", **variables: str) -> Completed:
        return command(*arguments, stdin=stdin, FALAJ_CREDENTIALS=str(folder), **variables)

    return act


@pytest.fixture
def root(run: As, served: Served) -> str:
    """The name of the administrator, made once."""
    path = offer_setup(served.platform.database, served.home.root, served.home.server_url, served.platform.now())
    if path is not None:
        link = path.read_text()
        result = run(
            "--account", "root", "access", "bootstrap", link, "--name", "root",
            "--email", "r@example.org", "--password-stdin",
            stdin=PASSWORD,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    return "root"


@pytest.fixture
def person(run: As, root: str) -> Callable[..., None]:
    """Invite a person with roles, and log in as this one's profile."""

    def make(name: str, *roles: str) -> None:
        options = [option for role in roles for option in ("--role", role)]
        invited = run("--account", root, "access", "account", "add", name, "--email", f"{name}@example.org", *options)
        assert invited.returncode == 0, invited.stderr
        [link] = re.findall(r"'(http.*)'", invited.stdout)
        assert run("access", "account", "reset-password", link, "--password-stdin", stdin=PASSWORD).returncode == 0
        entered = run("--account", name, "login", "--password-stdin", stdin=PASSWORD)
        assert entered.returncode == 0, entered.stderr
        assert f"logged in as user:{name}" in entered.stdout

    return make


def test_a_person_is_invited_logs_in_and_is_somebody(run: As, person: Callable[..., None]) -> None:
    person("ana", "data-scientist@flight-delay", "release-manager:prod")
    me = json.loads(run("--account", "ana", "access", "whoami", "--json").stdout)
    assert me["id"] == "user:ana"
    granted = {(role["role"], role["project"], role["environment"]) for role in me["roles"]}
    assert granted == {("data-scientist", "flight-delay", None), ("release-manager", None, "prod")}
    shown = run("--account", "ana", "access", "whoami").stdout
    assert "data-scientist@flight-delay" in shown and "release-manager:prod" in shown


def test_the_approval_key_stays_with_the_person(run: As, person: Callable[..., None], served: Served) -> None:
    person("bo", "auditor")
    key = Path(str(served.home.root) + "-people") / "bo" / "approval.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    stored_bytes = b"".join(path.read_bytes() for path in served.home.root.parent.rglob("falaj.db*"))
    assert key.read_bytes().splitlines()[1] not in stored_bytes
    assert (key.parent / "approval.pem.pub").read_bytes().splitlines()[1] in stored_bytes


def test_a_lost_key_is_revoked_and_a_new_login_makes_another(
    run: As, person: Callable[..., None], served: Served
) -> None:
    person("hal")
    [key] = json.loads(run("--account", "hal", "access", "approval-key", "list", "--json").stdout)
    assert key["key_id"] in run("--account", "hal", "access", "approval-key", "list").stdout
    assert run("--account", "hal", "access", "approval-key", "revoke", key["key_id"]).returncode == 0
    assert "no approval keys" in run("--account", "hal", "access", "approval-key", "list").stdout
    again = run("--account", "hal", "login", "--password-stdin", stdin=PASSWORD)
    assert again.returncode == 4 and "delete the file" in again.stderr
    (Path(str(served.home.root) + "-people") / "hal" / "approval.pem").unlink()
    assert run("--account", "hal", "login", "--password-stdin", stdin=PASSWORD).returncode == 0
    [new] = json.loads(run("--account", "hal", "access", "approval-key", "list", "--json").stdout)
    assert new["key_id"] != key["key_id"]


def test_without_a_profile_the_last_login_acts_until_logout(run: As, person: Callable[..., None]) -> None:
    person("cy", "auditor")
    assert "service:home" in run("access", "whoami").stdout
    assert run("login", "--account", "cy", "--password-stdin", stdin=PASSWORD).returncode == 0
    assert "user:cy" in run("access", "whoami").stdout
    assert "cy is logged out" in run("logout").stdout
    assert "service:home" in run("access", "whoami").stdout
    assert "nobody was logged in" in run("logout").stdout


def test_a_wrong_password_ends_with_three_lines(run: As, person: Callable[..., None]) -> None:
    person("di")
    refused = run("login", "--account", "di", "--password-stdin", stdin="wrong")
    assert refused.returncode == 2
    assert "name or password is wrong" in refused.stderr and "Traceback" not in refused.stderr


def test_a_profile_that_is_not_logged_in_is_told_to(run: As, root: str) -> None:
    refused = run("--account", "nobody", "run", "list")
    assert refused.returncode == 2
    assert "falaj login --account nobody" in refused.stderr


def test_tokens_of_oneself_and_of_services(run: As, person: Callable[..., None], root: str) -> None:
    person("ed", "auditor")
    token_reply = json.loads(
        run("--account", "ed", "access", "token", "create", "notebook", "--actions", "read", "--json").stdout
    )
    assert run("run", "list", FALAJ_TOKEN=token_reply["secret"]).returncode == 0
    listed = run("--account", "ed", "access", "token", "list").stdout
    assert "notebook" in listed and token_reply["secret"] not in listed
    assert run("--account", "ed", "access", "token", "revoke", token_reply["token"]["id"]).returncode == 0
    assert run("run", "list", FALAJ_TOKEN=token_reply["secret"]).returncode != 0
    issued = run("--account", root, "access", "token", "create", "ci", "--service", "ci", "--actions", "read,trigger")
    assert "acts as service:ci for read, trigger" in issued.stdout
    assert "service:ci: service" in run("--account", root, "access", "account", "roles", "service:ci", "service").stdout
    assert "service:ci" in run("--account", root, "access", "token", "list", "--services").stdout
    assert run("run", "list", FALAJ_TOKEN=issued.stdout.splitlines()[0]).returncode == 0


def test_accounts_are_listed_locked_and_given_new_links(run: As, person: Callable[..., None], root: str) -> None:
    person("flo")
    assert run("--account", root, "access", "account", "lock", "flo", "--reason", "left").returncode == 0
    assert "locked: left" in run("--account", root, "access", "account", "list").stdout
    assert run("--account", "flo", "access", "token", "list").returncode == 2
    assert run("--account", root, "access", "account", "unlock", "flo").returncode == 0
    assert (
        "falaj access account reset-password 'http" in run("--account", root, "access", "account", "link", "flo").stdout
    )
    assert "flo" not in run("--account", root, "access", "account", "list").stderr


def test_who_is_no_administrator_is_told_why_not(run: As, person: Callable[..., None]) -> None:
    person("gil", "data-scientist")
    refused = run("--account", "gil", "access", "account", "list")
    assert refused.returncode != 0
    assert "may not manage accounts" in refused.stderr
