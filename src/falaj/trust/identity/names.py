"""Names and addresses that an account may have. Small letters and ASCII only, so that no two look alike."""

from __future__ import annotations

import re

from falaj.trust.identity.errors import IdentityInputError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_MAX_EMAIL = 254
_MAX_LABEL = 100


def account_name(text: str) -> str:
    """Return the name when an account may have it.

    Raises:
        IdentityInputError: It may not.
    """
    if not _NAME.fullmatch(text):
        raise IdentityInputError(
            f"{text[:80]!r} cannot be the name of an account",
            hint="1 to 63 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit",
        )
    return text


def email_address(text: str) -> str:
    """Return the address in the one form that is compared: small letters.

    Raises:
        IdentityInputError: It is no address.
    """
    address = text.strip().lower()
    if len(address) > _MAX_EMAIL or ".." in address or not _EMAIL.fullmatch(address):
        raise IdentityInputError(f"{text[:80]!r} is not an e-mail address")
    return address


def label(text: str) -> str:
    """Return a free text of one line for people to recognise a thing by.

    Raises:
        IdentityInputError: It is empty, long, or holds what does not print.
    """
    if not 0 < len(text) <= _MAX_LABEL or not text.isprintable():
        raise IdentityInputError(f"a label has 1 to {_MAX_LABEL} characters that print")
    return text
