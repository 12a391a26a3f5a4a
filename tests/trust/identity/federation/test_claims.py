from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.identity.federation.claims import LEEWAY_S, MAX_AGE_S, Expected, check, person_of
from falaj.trust.identity.federation.errors import FederatedLoginError

NOW = 1_800_000_000.0
EXPECTED = Expected("https://login.example.org", "falaj", "n-0S6_WzA2Mj")
GOOD: dict[str, Any] = {
    "iss": EXPECTED.issuer, "sub": "4711", "aud": "falaj", "exp": NOW + 300, "iat": NOW, "nonce": EXPECTED.nonce,
}  # fmt: skip


def test_what_a_token_must_say_and_nothing_else() -> None:
    check(GOOD, EXPECTED, NOW)
    check({**GOOD, "aud": ["falaj", "other"], "azp": "falaj", "nbf": NOW, "auth_time": NOW, "x": [1]}, EXPECTED, NOW)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_nothing_of_it_may_be_missing(name: str) -> None:
    with pytest.raises(FederatedLoginError) as refused:
        check({key: value for key, value in GOOD.items() if key != name}, EXPECTED, NOW)
    assert refused.value.code == "federation.token"


@given(
    st.sampled_from(sorted(GOOD)),
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=6),
)
def test_a_claim_of_another_value_or_kind_is_refused_and_never_an_error(name: str, value: Any) -> None:
    near = name in {"exp", "iat"} and isinstance(value, float) and abs(value - NOW) < 1e6
    if near or value == GOOD[name] or (name == "sub" and isinstance(value, str) and value):
        return
    with pytest.raises(FederatedLoginError):
        check({**GOOD, name: value}, EXPECTED, NOW)


@pytest.mark.parametrize(
    ("name", "last_good", "first_bad"),
    [
        ("exp", NOW - LEEWAY_S + 1, NOW - LEEWAY_S),
        ("iat", NOW + LEEWAY_S, NOW + LEEWAY_S + 1),
        ("iat", NOW - MAX_AGE_S, NOW - MAX_AGE_S - 1),
        ("nbf", NOW + LEEWAY_S, NOW + LEEWAY_S + 1),
        ("auth_time", NOW + LEEWAY_S, NOW + LEEWAY_S + 1),
    ],
)
def test_clocks_may_differ_by_half_a_minute(name: str, last_good: float, first_bad: float) -> None:
    check({**GOOD, name: last_good}, EXPECTED, NOW)
    with pytest.raises(FederatedLoginError):
        check({**GOOD, name: first_bad}, EXPECTED, NOW)


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_that_is_not_verified_is_none(verified: object) -> None:
    assert person_of({**GOOD, "email": "a@example.org", "email_verified": verified}, "groups").email is None
    assert person_of({**GOOD, "email": "a@example.org", "email_verified": True}, "groups").email == "a@example.org"


def test_groups_are_texts_that_can_be_written_down() -> None:
    group_claims = ["ml", "/team/ml", "ml", 7, "", "a\nb", "x" * 101, {"role": "admin"}]
    assert person_of({**GOOD, "roles": group_claims}, "roles").groups == ("/team/ml", "ml")
    assert person_of({**GOOD, "roles": "ml"}, "roles").groups == ("ml",)
    assert person_of({**GOOD, "roles": {"ml": True}}, "roles").groups == ()
    assert person_of(GOOD, "roles").groups == ()
