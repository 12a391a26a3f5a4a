"""A login by an identity provider, from its beginning to a session.

Three secrets keep it together. `state` and the browser's cookie: whoever comes back is the browser that left. The
platform's own PKCE verifier: the provider's code is worth nothing to anybody else. The verifier of whoever began the
login: the session is fetched by that program alone, and neither a token nor the session is ever in an address.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.core.errors import FalajError
from falaj.storage import Database
from falaj.storage.federation_tables import GrantRow, LoginRow
from falaj.storage.sealed import UNVERIFIED, delete_each, take_one
from falaj.trust.identity import accounts, open_session
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import IdentityInputError
from falaj.trust.identity.federation.addresses import return_address
from falaj.trust.identity.federation.claims import Person
from falaj.trust.identity.federation.errors import FederatedLoginError, FederationBusyError, TokenRefusedError
from falaj.trust.identity.federation.oidc_accounts import principal_of
from falaj.trust.identity.federation.provider import Attempt, Provider

LOGIN_S = 600.0
"""How long a person may take at the provider."""

GRANT_S = 60.0
"""How long the session waits to be fetched."""

MAX_LOGINS = 10_000
"""How many logins may be on their way: anybody may begin one."""

_UNKNOWN = "user:unknown"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


@dataclass(frozen=True)
class StartedLogin:
    """A login that was begun.

    Args:
        address: Where the browser goes.
        browser: Secret for a cookie of this browser.
    """

    address: str
    browser: str


@dataclass(frozen=True)
class RedirectResponse:
    """What the provider's redirect carried.

    Args:
        state: Of the login.
        browser: The cookie of the browser that came back; empty for none.
        code: For the token; empty when the provider refused.
        issuer: Of the answer (RFC 9207); None when it says none.
        error: Why the provider refused; empty when it did not.
    """

    state: str
    browser: str
    code: str = ""
    issuer: str | None = None
    error: str = ""


@dataclass(frozen=True)
class Logins:
    """The logins of one installation by one provider.

    Args:
        database: Of the installation.
        provider: The identity provider.
        callback: Where the provider sends browsers back to, as it is registered there.
    """

    database: Database
    provider: Provider
    callback: str

    def start(self, challenge: str, return_to: str, now: float) -> StartedLogin:
        """Begin a login.

        Args:
            challenge: S256 of a verifier that whoever begins the login keeps (RFC 7636).
            return_to: Where the browser ends: a program on its machine, or a path of this server.
            now: Unix seconds.

        Raises:
            IdentityInputError: The challenge is none.
            ReturnAddressError: The address is another's.
            FederationBusyError: Too many logins have been begun.
            ProviderError: The provider cannot be used.
        """
        if not _CHALLENGE.fullmatch(challenge):
            raise IdentityInputError("the challenge is not a SHA-256 hash in base64url")
        target = return_address(return_to)
        attempt = Attempt(_secret(), _secret(), _secret(), self.callback)
        address, browser = self.provider.login_address(attempt, s256(attempt.verifier), now), _secret()
        with self.database.transaction() as session:
            _make_room(session, now)
            session.add(
                LoginRow(
                    state_digest=_digest(attempt.state),
                    browser_digest=_digest(browser),
                    issuer=self.provider.settings.issuer,
                    nonce=attempt.nonce,
                    verifier=attempt.verifier,
                    challenge=challenge,
                    return_to=target,
                    expires_at=now + LOGIN_S,
                )
            )
        return StartedLogin(address, browser)

    def finish(self, answer: RedirectResponse, now: float) -> str:
        """Take the provider's answer; return where the browser goes, with a one-time code or with why there is none.

        Raises:
            FederatedLoginError: The answer belongs to no login of this browser (`federation.state`).
        """
        login = self._take_login(answer, now)
        try:
            person = self._person(login, answer, now)
        except FalajError as error:
            if isinstance(
                error, TokenRefusedError
            ):  # anybody can send a code that is none; a token is made by the provider
                self._refused(error, now)
            return _to(login.return_to, {"error": error.code, "error_description": error.message})
        code = _secret()
        with self.database.transaction() as session:
            session.add(
                GrantRow(
                    code_digest=_digest(code),
                    challenge=login.challenge,
                    person=asdict(person),
                    expires_at=now + GRANT_S,
                )
            )
        return _to(login.return_to, {"code": code})

    def redeem(self, code: str, verifier: str, now: float) -> str:
        """Open the session for whoever began the login.

        Args:
            code: The one-time code; it is used up, also by a wrong verifier.
            verifier: Of the challenge that the login was begun with.
            now: Unix seconds.

        Returns:
            The session's secret.

        Raises:
            FederatedLoginError: The code is unknown, used or expired, or is another's (`federation.code`).
            IdentityTakenError: The person's address has another account.
            RefusedError: The account is locked.
        """
        grant = self._take_grant(code)
        try:
            return self._opened(_person_of_grant(grant, verifier, now), now)
        except FalajError as error:
            self._refused(error, now)
            raise

    def _person(self, login: LoginRow, answer: RedirectResponse, now: float) -> Person:
        if answer.error or not answer.code:
            raise FederatedLoginError("the provider did not let this person in")
        if login.issuer != self.provider.settings.issuer:
            raise FederatedLoginError("another provider was configured meanwhile", hint="log in again")
        attempt = Attempt(answer.state, login.nonce, login.verifier, self.callback)
        return self.provider.person(answer.code, attempt, answer.issuer, now)

    def _opened(self, person: Person, now: float) -> str:
        with self.database.transaction() as session:
            principal = principal_of(session, person, now)
            secret = open_session(session, principal, accounts.OIDC, now)
            note(session, "session.opened", principal.id, principal.id, now, {"method": accounts.OIDC})
        return secret

    def _take_login(self, answer: RedirectResponse, now: float) -> LoginRow:
        """The login of an answer, which no other answer finds again.

        It is looked for by state and browser together, so that a stranger who has seen the state cannot end it.
        """
        with self.database.transaction() as session:
            conditions = (
                LoginRow.state_digest == _digest(answer.state),
                LoginRow.browser_digest == _digest(answer.browser),
            )
            row = take_one(session, select(LoginRow).where(*conditions))
        if row is None or row.expires_at <= now:
            raise FederatedLoginError(
                "this answer belongs to no login of this browser", hint="log in again", code="federation.state"
            )
        return row

    def _take_grant(self, code: str) -> GrantRow:
        with self.database.transaction() as session:  # committed before it is judged: a code is tried once
            row = take_one(session, select(GrantRow).where(GrantRow.code_digest == _digest(code)))
        if row is None:
            raise _no_session()
        return row

    def _refused(self, error: FalajError, now: float) -> None:
        with self.database.transaction() as session:
            details = {"method": accounts.OIDC, "code": error.code, "reason": error.message}
            note(session, "session.refused", _UNKNOWN, _UNKNOWN, now, details, outcome="denied")


def s256(verifier: str) -> str:
    """Return the challenge of a verifier.

    Source: RFC 7636, section 4.2.
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _make_room(session: Session, now: float) -> None:
    delete_each(session, select(LoginRow).where(LoginRow.expires_at <= now))
    delete_each(session, select(GrantRow).where(GrantRow.expires_at <= now))
    if (session.scalar(select(func.count()).select_from(LoginRow), execution_options=UNVERIFIED) or 0) >= MAX_LOGINS:
        raise FederationBusyError("too many logins have been begun", hint="try again in ten minutes")


def _person_of_grant(grant: GrantRow, verifier: str, now: float) -> Person:
    """The person of a grant, when it is fetched in time by whoever began the login."""
    proved = _VERIFIER.fullmatch(verifier) and hmac.compare_digest(s256(verifier), grant.challenge)
    if not proved or grant.expires_at <= now:
        raise _no_session()
    return Person(**{**grant.person, "groups": tuple(grant.person["groups"])})


def _no_session() -> FederatedLoginError:
    return FederatedLoginError("this code opens no session", hint="log in again", code="federation.code")


def _to(address: str, query_values: Mapping[str, str]) -> str:
    return f"{address}?{urlencode(query_values)}"


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
