"""Passwords: what may be one, and their Argon2id hashes.

Parameters: RFC 9106, section 4, second recommendation (64 MiB, 3 passes, 4 lanes). Rules: NIST SP 800-63B, 5.1.1.2:
length counts, composition does not, and no password expires by itself.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from falaj.core.errors import UnavailableError
from falaj.trust.identity.errors import IdentityInputError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256

_LEAST_DISTINCT = 5
_AT_ONCE = 2
_LONGEST_QUEUE_S = 10.0


class Passwords:
    """Hashes and verifies passwords, a few at a time: each takes 64 MiB and half a core while it lasts.

    Args:
        hasher: Argon2id with its parameters.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._nobodys = self._hasher.hash("the password of nobody")

    def hash(self, password: str) -> str:
        """Return the hash to keep.

        Raises:
            UnavailableError: Too many are being hashed (`identity.busy`).
        """
        with self._turn():
            return self._hasher.hash(_normal(password))

    def verify(self, stored_hash: str | None, password: str) -> bool:
        """Tell whether a password is the one that was hashed.

        Without a hash the same work is done on that of nobody, so that the time does not tell which names exist.

        Raises:
            UnavailableError: Too many are being verified (`identity.busy`).
        """
        with self._turn():
            try:
                return self._hasher.verify(stored_hash or self._nobodys, _normal(password)[:MOST_CHARACTERS]) and bool(
                    stored_hash
                )
            except (VerificationError, InvalidHashError):
                return False

    def outdated(self, stored_hash: str) -> bool:
        """Tell whether a hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(stored_hash)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=_LONGEST_QUEUE_S):
            raise UnavailableError("too many are logging in", hint="try again", code="identity.busy")
        try:
            yield
        finally:
            self._turns.release()


def require_good(password: str, *, name: str, email: str | None) -> None:
    """Refuse a password that is guessed first.

    Raises:
        IdentityInputError: It is short, very long, repetitive, or made of the name (`identity.password`).
    """
    text = _normal(password)
    if not LEAST_CHARACTERS <= len(text) <= MOST_CHARACTERS:
        raise _poor(f"a password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters")
    if len(set(text)) < _LEAST_DISTINCT:
        raise _poor("this password repeats a few characters")
    personal_parts = [part for part in (name, email or "", (email or "").partition("@")[0]) if part]
    if text.lower() in {part * count for part in personal_parts for count in range(1, MOST_CHARACTERS)}:
        raise _poor("this password is made of your name")


def _poor(message: str) -> IdentityInputError:
    return IdentityInputError(message, hint="three or four unrelated words are good", code="identity.password")


def _normal(password: str) -> str:
    """The same password, however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)
