"""What is good once is good once on both databases, also when it is sent many times at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from falaj.core.errors import FalajError
from falaj.core.principal import PrincipalKind
from falaj.storage import Database
from falaj.storage.federation_tables import FederatedSubjectRow
from falaj.trust.identity import NewAccount, accounts
from falaj.trust.identity.federation import (
    Logins,
    Provider,
    ProviderSettings,
    RedirectResponse,
    RelyingParty,
    Web,
    begin_step_up,
    finish_step_up,
    security_keys,
)
from falaj.trust.identity.federation.logins import s256
from tests.identity_providers import Liar
from tests.security_keys import SoftwareKey
from tests.trust.identity.federation.conftest import BACK, PUBLIC, VERIFIER, query

pytestmark = pytest.mark.integration

AT_ONCE = 4


def outcomes(act: Callable[[], object]) -> list[str]:
    """What became of the same act, done by many at once: `done`, or the code of the refusal."""

    def one(_: int) -> str:
        try:
            act()
        except FalajError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(one, range(AT_ONCE)))


def test_an_answer_and_a_code_and_a_first_login(database: Database, liar: Liar) -> None:

    doors = Logins(database, Provider(ProviderSettings(liar.issuer, "falaj"), Web()), f"{PUBLIC}/callback")

    def begin() -> RedirectResponse:
        begun = doors.start(s256(VERIFIER), BACK, time.time())
        login_query = query(begun.address)
        liar.nonce = login_query["nonce"]
        return RedirectResponse(login_query["state"], begun.browser, liar.code)

    answer = begin()
    assert outcomes(lambda: doors.finish(answer, time.time())) == ["done", *["federation.state"] * (AT_ONCE - 1)]
    codes = [query(doors.finish(begin(), time.time()))["code"] for _ in range(2)]
    first = outcomes(lambda: doors.redeem(codes[0], VERIFIER, time.time()))
    assert first == ["done", *["federation.code"] * (AT_ONCE - 1)]
    doors.redeem(codes[1], VERIFIER, time.time())
    with database.reading() as session:
        assert len(session.query(FederatedSubjectRow).all()) == 1


def test_a_security_keys_answer(database: Database) -> None:
    now, party, key = 1_800_000_000.0, RelyingParty.at(PUBLIC), SoftwareKey(PUBLIC, "localhost", counts=False)
    with database.transaction() as session:
        row = accounts.create(session, NewAccount(PrincipalKind.USER, "ana", accounts.LOCAL, "a@example.org"), "x", now)
        ana = accounts.principal_of(row, authenticated_at=now, step_up_at=now, step_up_method="login")
        options = security_keys.begin_registration(session, party, ana, now)
        security_keys.finish_registration(session, party, ana, key.create(options), "key", now)
        response = key.get(begin_step_up(session, party, ana, "ab" * 32, now))

    def answer() -> None:
        with database.transaction() as session:
            finish_step_up(session, party, ana, response, now)

    assert outcomes(answer) == ["done", *["security-key.refused"] * (AT_ONCE - 1)]
