from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.identity.bearer import Bearer, BearerKind, new_bearer, parse_bearer
from falaj.trust.identity.errors import IdentityInputError
from falaj.trust.identity.names import account_name, email_address, label


@pytest.mark.parametrize("name", ["a", "ana", "ana.maria-2_x", "0", "a" * 63])
def test_plain_names_are_taken(name: str) -> None:
    assert account_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Ana",
        "a" * 64,
        "-a",
        ".a",
        "a b",
        "a\n",
        "a:b",
        "a/b",
        "a@b",
        "\u0430na",
        "ana\u202e",
        "a\x00",
        "user:ana",
        "a'--",
    ],
)
def test_names_that_mislead_are_refused(name: str) -> None:
    with pytest.raises(IdentityInputError) as caught:
        account_name(name)
    assert caught.value.code == "identity.input"


@given(st.text(max_size=80))
def test_a_taken_name_is_printable_ascii(text: str) -> None:
    try:
        name = account_name(text)
    except IdentityInputError:
        return
    assert name.isascii() and name.isprintable() and name == name.lower() and ":" not in name


def test_an_address_is_compared_in_small_letters() -> None:
    assert email_address("  Ana@Example.ORG ") == "ana@example.org"


@pytest.mark.parametrize("text", ["", "ana", "@x.org", "a@", "a b@x.org", "a@x.org\nb", "a@x..org", "á@x.org", "a@-"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(IdentityInputError):
        email_address(text)


@pytest.mark.parametrize("text", ["", "x" * 101, "two\nlines", "\u202eevil", "tab\t"])
def test_a_label_is_one_line_that_prints(text: str) -> None:
    with pytest.raises(IdentityInputError):
        label(text)
    assert label("nightly runs é") == "nightly runs é"


@given(st.sampled_from(BearerKind), st.text("abcdefgh0123456789", min_size=1, max_size=12))
def test_a_bearer_secret_survives_its_text(kind: BearerKind, name: str) -> None:
    bearer_secret = new_bearer(kind, name)
    assert parse_bearer(str(bearer_secret)) == bearer_secret
    assert bearer_secret.holds(bearer_secret.digest) and not bearer_secret.holds(new_bearer(kind, name).digest)


def test_a_bearer_secret_has_256_random_bits_and_does_not_show_in_tracebacks() -> None:
    bearer_secret = new_bearer(BearerKind.SESSION, "x")
    assert len(bearer_secret.secret) == 43
    assert bearer_secret.secret not in repr(bearer_secret)
    assert bearer_secret.digest not in str(bearer_secret)


@given(st.text(max_size=250))
def test_any_text_may_be_offered(text: str) -> None:
    assert parse_bearer(text) is None or isinstance(parse_bearer(text), Bearer)


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "falaj-session.x", "falaj-session..s", "falaj-root.x.s", "falaj-token.x.s.t", "falaj-tokén.x.s"],
)
def test_other_text_is_no_bearer_secret(text: str) -> None:
    assert parse_bearer(text) is None
