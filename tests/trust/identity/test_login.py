from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher

from falaj.core.errors import ConflictError
from falaj.core.principal import Principal
from falaj.trust.identity import (
    Authenticator,
    Proof,
    accounts,
    administration,
    authenticate,
    open_session,
    second_factor,
)
from falaj.trust.identity.errors import IdentityInputError, RefusedError, StepUpNeededError
from falaj.trust.identity.passwords import Passwords
from falaj.trust.identity.reauthentication import FRESH_S, require_recent_login
from falaj.trust.identity.totp import STEP_S, code_at
from tests.trust.identity.conftest import NOW, PASSWORD

pytestmark = pytest.mark.integration

Person = Callable[..., Principal]


def proved(keeper: Authenticator, secret: str, now: float = NOW) -> Principal:
    with keeper.database.reading() as session:
        principal = authenticate(session, secret, now)
    assert principal is not None
    return principal


def enrolled(keeper: Authenticator, who: Principal, now: float = NOW) -> bytes:
    """The secret of an application whose enrolment has been confirmed a step ago."""
    with keeper.database.transaction() as session:
        text, _ = second_factor.enrol(session, keeper.vault, who, now)
        secret = base64.b32decode(text)
        code = code_at(secret, int(now // STEP_S) - 1)
        second_factor.confirm(session, keeper.vault, who, code, now)
    return secret


def code(secret: bytes, now: float = NOW) -> str:
    return code_at(secret, int(now // STEP_S))


def test_a_login_is_a_step_up(keeper: Authenticator, person: Person) -> None:
    person("ana")
    principal = proved(keeper, keeper.log_in("ana", Proof(PASSWORD), NOW))
    assert (principal.step_up_at, principal.step_up_method) == (NOW, "login")


def test_an_application_makes_logins_two_factors(keeper: Authenticator, person: Person) -> None:
    secret = enrolled(keeper, person("ana"))
    with pytest.raises(RefusedError) as caught:
        keeper.log_in("ana", Proof(PASSWORD), NOW)
    assert caught.value.code == "identity.otp-needed"
    with pytest.raises(RefusedError):
        keeper.log_in("ana", Proof("wrong", code(secret)), NOW)
    principal = proved(keeper, keeper.log_in("ana", Proof(PASSWORD, code(secret)), NOW))
    assert principal.step_up_method == "totp"


def test_an_enrolment_counts_only_when_it_is_confirmed(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    with keeper.database.transaction() as session:
        second_factor.enrol(session, keeper.vault, ana, NOW)
    assert proved(keeper, keeper.log_in("ana", Proof(PASSWORD), NOW)).step_up_method == "login"
    with pytest.raises(RefusedError), keeper.database.transaction() as session:
        second_factor.confirm(session, keeper.vault, ana, "000000x", NOW)


def test_an_application_is_not_replaced_while_there_is_one(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    enrolled(keeper, ana)
    with pytest.raises(ConflictError) as caught, keeper.database.transaction() as session:
        second_factor.enrol(session, keeper.vault, ana, NOW)
    assert caught.value.code == "identity.totp-enrolled"
    with keeper.database.transaction() as session:
        second_factor.remove(session, accounts.find(session, ana.id), ana.id, NOW)
    keeper.log_in("ana", Proof(PASSWORD), NOW)


def test_the_secret_of_an_application_is_sealed_for_its_account(keeper: Authenticator, person: Person) -> None:
    ana, bo = person("ana"), person("bo")
    secret = enrolled(keeper, ana)
    with keeper.database.transaction() as session:
        mine, other = accounts.find(session, ana.id), accounts.find(session, bo.id)
        assert base64.b64encode(secret).decode() not in (mine.totp_sealed or "")
        other.totp_sealed, other.totp_confirmed = mine.totp_sealed, True
        with pytest.raises(Exception, match="changed, or belongs elsewhere"):
            second_factor.accept_code(session, keeper.vault, other, code(secret), NOW)


def test_a_session_is_stepped_up_by_the_password_or_the_application(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    session_secret = keeper.log_in("ana", Proof(PASSWORD), NOW)
    later = NOW + 3600
    assert keeper.prove_again(ana, session_secret, Proof(PASSWORD), later) == "login"
    assert proved(keeper, session_secret, later).step_up_at == later
    secret = enrolled(keeper, proved(keeper, session_secret, later), later)
    with pytest.raises(RefusedError):
        keeper.prove_again(ana, session_secret, Proof(PASSWORD), later)
    assert keeper.prove_again(ana, session_secret, Proof(otp=code(secret, later)), later) == "totp"


def test_a_token_is_not_stepped_up(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    with pytest.raises(RefusedError):
        keeper.prove_again(ana, "falaj-token.x.y", Proof(PASSWORD), NOW)


def test_a_password_is_hashed_again_when_parameters_grow(keeper: Authenticator, person: Person) -> None:
    person("ana")
    stronger = Authenticator(
        keeper.database, Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)), keeper.vault
    )
    stronger.log_in("ana", Proof(PASSWORD), NOW)
    with keeper.database.reading() as session:
        stored_hash = accounts.find(session, "user:ana").password_hash or ""
    assert "m=16,t=2" in stored_hash
    stronger.log_in("ana", Proof(PASSWORD), NOW)


def test_a_new_password_ends_the_sessions_of_the_old_one(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    with keeper.database.transaction() as session:
        old = open_session(session, ana, "login", NOW)
        link = administration.new_link(session, accounts.find(session, ana.id), "user:root", NOW)
    keeper.log_in("ana", Proof(PASSWORD), NOW)  # the link changes nothing until it is used
    with pytest.raises(IdentityInputError):
        keeper.choose_password(link, "short", NOW)
    keeper.choose_password(link, "another good password", NOW)
    with keeper.database.reading() as session:
        assert authenticate(session, old, NOW) is None
    with pytest.raises(RefusedError):
        keeper.log_in("ana", Proof(PASSWORD), NOW)
    keeper.log_in("ana", Proof("another good password"), NOW)


def test_a_lost_phone_is_forgotten_with_the_link(keeper: Authenticator, person: Person) -> None:
    ana = person("ana")
    enrolled(keeper, ana)
    with keeper.database.transaction() as session:
        administration.new_link(session, accounts.find(session, ana.id), "user:root", NOW, without_totp=True)
    keeper.log_in("ana", Proof(PASSWORD), NOW)


@pytest.mark.parametrize("age_s", [FRESH_S + 1, -6.0, None])
def test_an_old_missing_or_future_proof_is_not_fresh(person: Person, age_s: float | None) -> None:
    who = Principal("user:ana", person("ana").kind, step_up_at=None if age_s is None else NOW - age_s)
    with pytest.raises(StepUpNeededError) as caught:
        require_recent_login(who, "this", NOW)
    assert caught.value.code == "identity.step-up-needed"


def test_a_recent_proof_is_fresh(person: Person) -> None:
    require_recent_login(person("ana"), "this", NOW + FRESH_S)
