from __future__ import annotations

import unicodedata

import pytest
from argon2 import PasswordHasher

from falaj.trust.identity.errors import IdentityInputError
from falaj.trust.identity.passwords import MOST_CHARACTERS, Passwords, require_good
from tests.trust.identity.conftest import CHEAP, PASSWORD


def test_a_password_is_verified_and_another_is_not() -> None:
    passwords = Passwords(CHEAP)
    stored_hash = passwords.hash(PASSWORD)
    assert passwords.verify(stored_hash, PASSWORD)
    assert not passwords.verify(stored_hash, PASSWORD + " ")
    assert not passwords.verify(stored_hash, "")
    assert PASSWORD not in stored_hash


def test_the_same_password_hashes_differently_each_time() -> None:
    passwords = Passwords(CHEAP)
    assert passwords.hash(PASSWORD) != passwords.hash(PASSWORD)


def test_the_platform_hashes_as_rfc_9106_recommends() -> None:
    assert Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_nobody_has_a_password_not_even_the_one_that_is_hashed_for_nobody() -> None:
    assert not Passwords(CHEAP).verify(None, "the password of nobody")


def test_a_hash_that_is_none_verifies_nothing() -> None:
    assert not Passwords(CHEAP).verify("!", PASSWORD)


def test_the_keyboard_does_not_matter() -> None:
    passwords = Passwords(CHEAP)
    composed = "contraseña segura"
    assert passwords.verify(passwords.hash(composed), unicodedata.normalize("NFD", composed))


def test_a_hash_of_other_parameters_is_outdated() -> None:
    passwords = Passwords(CHEAP)
    assert passwords.outdated(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x"))
    assert not passwords.outdated(passwords.hash("x"))


@pytest.mark.parametrize(
    "password",
    ["", "short", "x" * 12, "abababababab", "anaanaanaana", "ana@example.org", "y" * MOST_CHARACTERS + "abcde"],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(IdentityInputError) as caught:
        require_good(password, name="ana", email="ana@example.org")
    assert caught.value.code == "identity.password"
    assert not password or password not in str(caught.value)


def test_four_words_are_good() -> None:
    require_good("correct horse battery staple", name="ana", email=None)
