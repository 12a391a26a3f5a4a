from __future__ import annotations

import stat
from pathlib import Path

import pytest

from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.schemas.identity import LoggedIn
from falaj.sdk import Client
from falaj.sdk.credentials import Credentials, NotLoggedInError, token_for

LATER = 4_000_000_000.0
HERE, THERE = "http://127.0.0.1:1", "http://127.0.0.1:2"


def opened(token: str, expires_at: float = LATER) -> LoggedIn:
    return LoggedIn(token, "user:ana", expires_at, "login")


def home(tmp_path: Path, **settings: str) -> Home:
    (tmp_path / "home").mkdir(exist_ok=True)
    return Home(
        tmp_path / "home",
        {"FALAJ_SERVER": HERE, "FALAJ_CREDENTIALS": str(tmp_path / "credentials"), **settings},
    )


def test_without_a_login_the_homes_own_token_is_used(tmp_path: Path) -> None:
    assert token_for(home(tmp_path)) == home(tmp_path).token


def test_whoever_logged_in_last_is_used_until_logout(tmp_path: Path) -> None:
    here = Credentials.of(home(tmp_path))
    here.keep("ana", opened("of-ana"))
    here.keep("bo", opened("of-bo"))
    assert token_for(home(tmp_path)) == "of-bo"
    assert here.forget() == "bo"
    assert token_for(home(tmp_path)) == home(tmp_path).token
    assert here.forget() == ""


def test_a_named_profile_is_used_and_changes_nothing_for_the_others(tmp_path: Path) -> None:
    Credentials.of(home(tmp_path)).keep("bo", opened("of-bo"))
    named = home(tmp_path, FALAJ_ACCOUNT="ana")
    Credentials.of(named).keep("ana", opened("of-ana"))
    assert token_for(named) == "of-ana"
    assert token_for(home(tmp_path)) == "of-bo"


def test_a_session_goes_to_no_other_server(tmp_path: Path) -> None:
    Credentials.of(home(tmp_path)).keep("ana", opened("of-ana"))
    other = home(tmp_path, FALAJ_SERVER=THERE)
    assert token_for(other) == other.token
    with pytest.raises(NotLoggedInError):
        token_for(home(tmp_path, FALAJ_SERVER=THERE, FALAJ_ACCOUNT="ana"))


def test_an_ended_session_does_not_become_the_installation(tmp_path: Path) -> None:
    Credentials.of(home(tmp_path)).keep("ana", opened("of-ana", expires_at=1.0))
    with pytest.raises(NotLoggedInError) as caught:
        token_for(home(tmp_path))
    assert "falaj login --account ana" in caught.value.hint and "falaj logout" in caught.value.hint


def test_the_installation_acts_as_itself_whoever_is_logged_in(tmp_path: Path) -> None:
    Credentials.of(home(tmp_path)).keep("ana", opened("of-ana", expires_at=1.0))
    Client.of_installation(home(tmp_path))


def test_a_token_of_the_environment_goes_first(tmp_path: Path) -> None:
    Credentials.of(home(tmp_path)).keep("ana", opened("of-ana"))
    assert token_for(home(tmp_path, FALAJ_TOKEN="given")) == "given"


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    here = Credentials.of(home(tmp_path))
    here.keep("ana", opened("of-ana"))
    for name in ("current.json", "ana/sessions.json"):
        assert stat.S_IMODE((here.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((here.folder / "ana").stat().st_mode) == 0o700
    assert here.approval_key() == here.folder / "ana" / "approval.pem"


def test_nobody_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(NotLoggedInError):
        Credentials.of(home(tmp_path)).approval_key()


@pytest.mark.parametrize("name", ["..", "../other", "/etc", "a/b", "-rf", "a..b", ""])
def test_a_profile_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    here = Credentials.of(home(tmp_path))
    with pytest.raises(UsageError):
        here.keep(name, opened("x"))


def test_damaged_files_are_no_login(tmp_path: Path) -> None:
    here = Credentials.of(home(tmp_path))
    here.folder.mkdir()
    for text in ("{", "[]", '{"http://127.0.0.1:1": ""}'):
        (here.folder / "current.json").write_text(text)
        assert token_for(home(tmp_path)) == home(tmp_path).token
