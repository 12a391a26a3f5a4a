"""Attacks on accounts, sessions, tokens and approval keys, each with the answer that it must get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import Database
from falaj.storage.policy_tables import RoleBindingRow
from falaj.supply_chain.attestations import Signer, load_or_create_key
from falaj.trust.identity import (
    Authenticator,
    FirstAdministrator,
    NewToken,
    Proof,
    accounts,
    administration,
    authenticate,
    make_first_administrator,
    offer_setup,
    open_session,
    record_step_up,
    register,
    revoke_key,
    second_factor,
    tokens,
)
from falaj.trust.identity.errors import (
    IdentityInputError,
    IdentityTakenError,
    RefusedError,
    StepUpNeededError,
    TooManyAttemptsError,
)
from falaj.trust.identity.passwords import Passwords
from falaj.trust.identity.tokens import NEVER_BY_TOKEN
from falaj.trust.policy import Role
from tests.apps import app_of
from tests.trust.identity.conftest import CHEAP, NOW, PASSWORD, authority, keeper, person, proof_of, vault
from tests.trust.identity.test_login import code, enrolled

pytestmark = pytest.mark.integration

__all__ = ["authority", "keeper", "person", "vault"]

Person = Callable[..., Principal]
ROOT = FirstAdministrator("root", "root@example.org", PASSWORD)


@pytest.fixture
def key(tmp_path: Path) -> Signer:
    return load_or_create_key(tmp_path / "approval.pem")


@pytest.fixture
def platform(tmp_path: Path, database: Database) -> Platform:
    return Platform(Home(tmp_path / "home", {}).prepare(), database)


@pytest.fixture
def client(platform: Platform) -> Iterator[TestClient]:
    with TestClient(app_of(platform), raise_server_exceptions=False) as http_client:
        yield http_client


# One-time links


def test_a_setup_link_is_used_once(keeper: Authenticator, tmp_path: Path) -> None:
    link = (offer_setup(keeper.database, tmp_path, "http://x", NOW) or tmp_path).read_text()
    make_first_administrator(keeper.database, keeper.passwords, link, ROOT, NOW)
    with pytest.raises(RefusedError) as caught:
        make_first_administrator(keeper.database, keeper.passwords, link, replace(ROOT, name="eve"), NOW)
    assert caught.value.code == "identity.link-used"


def test_a_setup_link_is_used_once_even_at_once(keeper: Authenticator, tmp_path: Path) -> None:
    link = (offer_setup(keeper.database, tmp_path, "http://x", NOW) or tmp_path).read_text()

    def use(number: int) -> str:
        new_administrator = FirstAdministrator(f"root{number}", f"root{number}@example.org", PASSWORD)
        try:
            make_first_administrator(keeper.database, keeper.passwords, link, new_administrator, NOW)
        except RefusedError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, range(4))) == ["identity.link-used"] * 3 + ["made"]


@pytest.mark.parametrize("change", [lambda s: s[:-1] + "!", lambda s: "", lambda s: s + "x", lambda s: s.upper()])
def test_a_guessed_setup_link_is_refused_before_anything_is_hashed(
    keeper: Authenticator, tmp_path: Path, change: Callable[[str], str]
) -> None:
    link = (offer_setup(keeper.database, tmp_path, "http://x", NOW) or tmp_path).read_text()
    counted = CountingPasswords()
    with pytest.raises(RefusedError) as caught:
        make_first_administrator(keeper.database, counted, change(link), ROOT, NOW)
    assert caught.value.code == "identity.link"
    assert counted.requests == []


def test_a_password_link_makes_no_administrator_and_a_setup_link_no_password(
    keeper: Authenticator, person: Person, tmp_path: Path
) -> None:
    ana = person("ana")
    setup = (offer_setup(keeper.database, tmp_path, "http://x", NOW) or tmp_path).read_text()
    with keeper.database.transaction() as session:
        password = administration.new_link(session, accounts.find(session, ana.id), "user:root", NOW)
    for attempt in (
        lambda: make_first_administrator(keeper.database, keeper.passwords, password, ROOT, NOW),
        lambda: keeper.choose_password(setup, PASSWORD + "2", NOW),
    ):
        with pytest.raises(RefusedError) as caught:
            attempt()
        assert caught.value.code == "identity.link"


def test_a_password_link_is_used_once_expires_and_does_not_open_a_locked_account(
    keeper: Authenticator, person: Person
) -> None:
    ana = person("ana")

    def make_token(now: float) -> str:
        with keeper.database.transaction() as session:
            return administration.new_link(session, accounts.find(session, ana.id), "user:root", now)

    first, second = make_token(NOW), make_token(NOW + 1)
    with pytest.raises(RefusedError):  # a new link voids the one before
        keeper.choose_password(first, PASSWORD + "2", NOW + 2)
    with pytest.raises(RefusedError):
        keeper.choose_password(second, PASSWORD + "2", NOW + 2 * 86_400)
    keeper.choose_password(second, PASSWORD + "2", NOW + 2)
    with pytest.raises(RefusedError) as caught:
        keeper.choose_password(second, PASSWORD + "3", NOW + 2)
    assert caught.value.code == "identity.link-used"
    third = make_token(NOW + 3)
    with keeper.database.transaction() as session:
        administration.lock(session, accounts.find(session, ana.id), "left", "user:root", NOW + 4)
    with pytest.raises(RefusedError):
        keeper.choose_password(third, PASSWORD + "4", NOW + 5)


# Guessing


def test_guessing_a_password_is_slowed_down_and_the_right_one_must_wait_too(
    keeper: Authenticator, person: Person
) -> None:
    person("ana")
    for _ in range(5):
        with pytest.raises(RefusedError):
            keeper.log_in("ana", Proof("guess"), NOW)
    for proof in (Proof("guess"), Proof(PASSWORD)):
        with pytest.raises(TooManyAttemptsError) as caught:
            keeper.log_in("ana", proof, NOW)
        assert (caught.value.code, caught.value.status) == ("identity.too-many-attempts", 429)
    keeper.log_in("ana", Proof(PASSWORD), NOW + 2)


def test_guessing_many_at_once_gains_nothing(keeper: Authenticator, person: Person) -> None:
    person("ana")

    def guess(_: int) -> type[Exception]:
        try:
            keeper.log_in("ana", Proof("guess"), NOW)
        except (RefusedError, TooManyAttemptsError) as error:
            return type(error)
        raise AssertionError("a guess was taken")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(24)))
    assert answers.count(RefusedError) == 5


def test_guessing_a_one_time_password_is_slowed_down(keeper: Authenticator, person: Person) -> None:
    secret = enrolled(keeper, person("ana"))
    wrong = [f"{number:06}" for number in range(10) if f"{number:06}" != code(secret)][:5]
    for guess in wrong:
        with pytest.raises(RefusedError):
            keeper.log_in("ana", Proof(PASSWORD, guess), NOW)
    with pytest.raises(TooManyAttemptsError):
        keeper.log_in("ana", Proof(PASSWORD, code(secret)), NOW)


def test_guessing_by_step_up_counts_as_well(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    with keeper.database.transaction() as session:
        secret = open_session(session, ana, "login", NOW)
    for _ in range(5):
        with pytest.raises(RefusedError):
            keeper.prove_again(ana, secret, Proof("guess"), NOW)
    with pytest.raises(TooManyAttemptsError):
        keeper.prove_again(ana, secret, Proof(PASSWORD), NOW)


# Which names exist


class CountingPasswords(Passwords):
    """Remembers what work was done."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.requests: list[str] = []

    def verify(self, stored_hash: str | None, password: str) -> bool:
        self.requests.append("verify")
        return super().verify(stored_hash, password)

    def hash(self, password: str) -> str:
        self.requests.append("hash")
        return super().hash(password)


def test_unknown_invited_and_locked_names_cost_the_same_work_and_get_the_same_answer(
    keeper: Authenticator, person: Person
) -> None:
    person("ana")
    person("invited", password=None)
    locked = person("locked")
    with keeper.database.transaction() as session:
        administration.lock(session, accounts.find(session, locked.id), "left", "user:root", NOW)
    work, answers = [], []
    for name, password in (("ana", "no"), ("nobody", "no"), ("invited", ""), ("locked", PASSWORD), ("Ünknown\n", "no")):
        counting = CountingPasswords()
        with pytest.raises(RefusedError) as caught:
            Authenticator(keeper.database, counting, keeper.vault).log_in(name, Proof(password), NOW)
        work.append(counting.requests)
        answers.append((caught.value.code, caught.value.message, caught.value.hint))
    assert work == [["verify"]] * 5
    assert len(set(answers)) == 1


def test_a_hash_is_computed_in_full_for_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    hash_parameters = []
    passwords = Passwords(CHEAP)
    real = type(CHEAP).verify

    def verify(self: Any, stored_hash: str, password: str) -> bool:
        hash_parameters.append(stored_hash.rpartition("$")[0].rpartition("$")[0])
        return bool(real(self, stored_hash, password))

    monkeypatch.setattr(type(CHEAP), "verify", verify)
    passwords.verify(None, "x")
    passwords.verify(CHEAP.hash("y"), "x")
    assert hash_parameters[0] == hash_parameters[1] == "$argon2id$v=19$m=8,t=1,p=1"


def test_unknown_names_must_wait_as_known_ones(keeper: Authenticator) -> None:
    for _ in range(5):
        with pytest.raises(RefusedError):
            keeper.log_in("nobody", Proof("guess"), NOW)
    with pytest.raises(TooManyAttemptsError):
        keeper.log_in("nobody", Proof("guess"), NOW)


# Replay


def test_a_one_time_password_is_taken_once(keeper: Authenticator, person: Person) -> None:
    secret = enrolled(keeper, person("ana"))
    keeper.log_in("ana", Proof(PASSWORD, code(secret)), NOW)
    for older in (code(secret), code(secret, NOW - 30)):
        with pytest.raises(RefusedError) as caught:
            keeper.log_in("ana", Proof(PASSWORD, older), NOW)
        assert caught.value.code == "identity.refused"


def test_a_one_time_password_that_was_seen_is_not_taken_twice_at_once(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    secret = enrolled(keeper, ana)

    def use(_: int) -> bool:
        try:
            with keeper.database.transaction() as session:
                account = accounts.find(session, ana.id)
                second_factor.accept_code(session, keeper.vault, account, code(secret), NOW)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(8))).count(True) == 1


# Sessions and tokens


def test_the_session_of_a_locked_account_ends_at_once(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    with keeper.database.transaction() as session:
        secret = open_session(session, ana, "login", NOW)
        issued, _ = tokens.issue(
            session, accounts.find(session, ana.id), NewToken("ci", frozenset({"read"}), 60.0), ana, NOW
        )
        administration.lock(session, accounts.find(session, ana.id), "left", "user:root", NOW)
        assert authenticate(session, secret, NOW) is None
        assert authenticate(session, issued, NOW) is None
    with pytest.raises(RefusedError):
        keeper.log_in("ana", Proof(PASSWORD), NOW)


def test_a_session_that_survived_the_lock_in_the_table_proves_nothing(database: Database, person: Person) -> None:
    ana = person("ana")
    with database.transaction() as session:
        secret = open_session(session, ana, "login", NOW)
        accounts.find(session, ana.id).locked_at = NOW  # as if the session had been opened meanwhile
        assert authenticate(session, secret, NOW) is None
        with pytest.raises(RefusedError):
            open_session(session, ana, "login", NOW)


@pytest.mark.parametrize("case", ["expired", "revoked", "other audience", "other secret", "as session", "as link"])
def test_a_token_that_does_not_hold_is_refused(database: Database, person: Person, case: str) -> None:
    ana = person("ana")
    with database.transaction() as session:
        new_token = NewToken("ci", frozenset({"read"}), 60.0)
        secret, row = tokens.issue(session, accounts.find(session, ana.id), new_token, ana, NOW)
        assert authenticate(session, secret, NOW) is not None
        now, audience, offered = NOW, "api", secret
        match case:
            case "expired":
                now = NOW + 60
            case "revoked":
                tokens.revoke(session, row.id, ana.id, NOW)
            case "other audience":
                audience = "triggers"
            case "other secret":
                offered = secret[:-2] + ("AA" if not secret.endswith("AA") else "BB")
            case "as session":
                offered = secret.replace("falaj-token", "falaj-session")
            case "as link":
                offered = secret.replace("falaj-token", "falaj-link")
        assert authenticate(session, offered, now, audience=audience) is None


@pytest.mark.parametrize("action", sorted(NEVER_BY_TOKEN))
def test_no_token_is_made_for_what_needs_a_person(database: Database, person: Person, action: str) -> None:
    ana = person("ana")
    with pytest.raises(IdentityInputError) as caught, database.transaction() as session:
        new_token = NewToken("ci", frozenset({"read", action}), 60.0)
        tokens.issue(session, accounts.find(session, ana.id), new_token, ana, NOW)
    assert caught.value.code == "identity.token-scope"


def test_a_token_makes_no_tokens_and_no_keys(
    database: Database, person: Person, authority: Signer, key: Signer
) -> None:
    ana = person("ana")
    with database.transaction() as session:
        account = accounts.find(session, ana.id)
        secret, _ = tokens.issue(session, account, NewToken("ci", frozenset({"read"}), 60.0), ana, NOW)
        carrier = authenticate(session, secret, NOW)
        assert carrier is not None
        with pytest.raises(RefusedError) as caught:
            tokens.issue(session, account, NewToken("ci", frozenset({"read"}), 60.0), carrier, NOW)
        assert caught.value.code == "identity.token-by-token"
        with pytest.raises(RefusedError):
            register(session, authority, carrier, key.public_pem, proof_of(key, ana.id), NOW)
        with pytest.raises(RefusedError):
            record_step_up(session, secret, "totp", NOW)


def test_a_token_is_refused_beyond_its_scope_however_much_its_person_may(
    client: TestClient, platform: Platform, person: Person
) -> None:
    ana = person("ana")
    now = platform.now()
    with platform.database.transaction() as session:
        session.add(RoleBindingRow(principal=ana.id, role=Role.ADMIN.value, granted_by="test", granted_at=0.0))
        account = accounts.find(session, ana.id)
        secret, _ = tokens.issue(session, account, NewToken("r", frozenset({"read"}), 60.0), ana, now)
    bearer = {"authorization": f"Bearer {secret}"}
    assert client.get("/api/v1/runs", headers=bearer).status_code == 200
    for method, path in (("GET", "/api/v1/accounts"), ("GET", "/api/v1/auth/tokens"), ("POST", "/api/v1/auth/totp")):
        answer = client.request(method, path, headers=bearer)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden"), path
        assert "token" in answer.json()["title"]


def test_the_homes_token_is_no_person(client: TestClient, platform: Platform) -> None:
    bearer = {"authorization": f"Bearer {platform.home.token}"}
    for method, path in (
        ("POST", "/api/v1/auth/approval-keys"), ("POST", "/api/v1/accounts"), ("POST", "/api/v1/auth/tokens"),
        ("POST", "/api/v1/auth/step-up"), ("POST", "/api/v1/services/home/tokens"),
    ):  # fmt: skip
        answer = client.request(method, path, headers=bearer, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden"), path


def test_what_was_sent_is_not_repeated_in_errors(client: TestClient) -> None:
    answer = client.post("/api/v1/auth/login", json={"name": "ana", "password": "hunter2" * 50, "extra": "hunter2"})
    assert answer.status_code == 400
    assert "hunter2" not in answer.text


# Approval keys


def test_one_key_has_one_person(database: Database, person: Person, authority: Signer, key: Signer) -> None:
    ana, bo = person("ana"), person("bo")
    with database.transaction() as session:
        register(session, authority, ana, key.public_pem, proof_of(key, ana.id), NOW)
    with pytest.raises(IdentityTakenError) as caught, database.transaction() as session:
        register(session, authority, bo, key.public_pem, proof_of(key, bo.id), NOW)
    assert caught.value.code == "identity.key-taken"


def test_one_key_under_another_spelling_of_its_pem_is_the_same_key(
    database: Database, person: Person, authority: Signer, key: Signer
) -> None:
    ana, bo = person("ana"), person("bo")
    with database.transaction() as session:
        register(session, authority, ana, key.public_pem, proof_of(key, ana.id), NOW)
    respelled = "a comment\n" + key.public_pem.replace("\n", "\r\n")
    with pytest.raises(IdentityTakenError), database.transaction() as session:
        register(session, authority, bo, respelled, proof_of(key, bo.id), NOW)


def test_nobody_registers_a_key_that_they_do_not_hold(
    database: Database, person: Person, authority: Signer, key: Signer, tmp_path: Path
) -> None:
    eve, own = person("eve"), load_or_create_key(tmp_path / "eve.pem")
    for proof in ("", "AAAA", "?", proof_of(own, eve.id), proof_of(key, "user:ana")):
        with pytest.raises(RefusedError) as caught, database.transaction() as session:
            register(session, authority, eve, key.public_pem, proof, NOW)
        assert caught.value.code == "identity.key-proof"


def test_a_revoked_key_does_not_come_back(database: Database, person: Person, authority: Signer, key: Signer) -> None:
    ana = person("ana")
    with database.transaction() as session:
        register(session, authority, ana, key.public_pem, proof_of(key, ana.id), NOW)
        revoke_key(session, key.key_id, NOW, person=ana.id)
    with pytest.raises(IdentityTakenError), database.transaction() as session:
        register(session, authority, ana, key.public_pem, proof_of(key, ana.id), NOW)


@pytest.mark.parametrize("step_up_at", [None, NOW - 301, NOW + 60], ids=["never", "old", "future"])
def test_a_stolen_old_session_registers_no_key_and_no_application(
    keeper: Authenticator, person: Person, authority: Signer, key: Signer, step_up_at: float | None
) -> None:
    stale = replace(person("ana"), step_up_at=step_up_at)
    for attempt in (
        lambda session: register(session, authority, stale, key.public_pem, proof_of(key, stale.id), NOW),
        lambda session: second_factor.enrol(session, keeper.vault, stale, NOW),
    ):
        with pytest.raises(StepUpNeededError) as caught, keeper.database.transaction() as session:
            attempt(session)
        assert caught.value.code == "identity.step-up-needed"


def test_a_machine_has_no_approval_key(database: Database, authority: Signer, key: Signer) -> None:
    machine = Principal("service:ci", PrincipalKind.SERVICE, step_up_at=NOW)
    with pytest.raises(RefusedError), database.transaction() as session:
        register(session, authority, machine, key.public_pem, proof_of(key, machine.id), NOW)
