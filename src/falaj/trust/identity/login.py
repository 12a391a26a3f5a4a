"""Logging in with a password, proving oneself again, and choosing a password.

A proof is judged in three parts: the attempt is counted and committed, the slow hash is computed outside of any
transaction, and what follows is one transaction of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import Database
from falaj.storage.identity_tables import AccountRow
from falaj.trust.identity import accounts, one_time_links, second_factor
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import RefusedError
from falaj.trust.identity.login_throttling import begin_attempt, clear_attempts
from falaj.trust.identity.passwords import Passwords, require_good
from falaj.trust.identity.sessions import close_all, open_session, record_step_up
from falaj.trust.secrets import Vault

LOGIN, TOTP = "login", "totp"
"""How a person proved again who it is: with the password, or with a one-time password."""


@dataclass(frozen=True)
class Proof:
    """What a person offers.

    Args:
        password: In clear; empty for none.
        otp: One-time password of the application; empty for none.
    """

    password: str = ""
    otp: str = ""


@dataclass(frozen=True)
class Authenticator:
    """What judging proofs needs.

    Args:
        database: Of the installation.
        passwords: Verifies and hashes passwords.
        vault: Opens the secrets of one-time passwords.
    """

    database: Database
    passwords: Passwords
    vault: Vault

    def log_in(self, name: str, proof: Proof, now: float) -> str:
        """Open a session for whoever knows the password, and has the application when one is enrolled.

        Args:
            name: Of the account.
            proof: Password, and one-time password when an application is enrolled.
            now: Unix seconds.

        Returns:
            The session's secret.

        Raises:
            TooManyAttemptsError: The name must wait.
            RefusedError: Name or password is wrong, or the one-time password is missing (`identity.otp-needed`) or
                wrong, or the account is locked.
        """
        account = f"{PrincipalKind.USER}:{name}"
        stored_hash = self._count(account, now)
        if not self.passwords.verify(stored_hash, proof.password) or stored_hash is None:
            raise _wrong()
        renewed = self.passwords.hash(proof.password) if self.passwords.outdated(stored_hash) else stored_hash
        with self.database.transaction() as session:
            row = _unchanged(session, account, stored_hash)
            method = self._second(session, row, proof, now)
            row.password_hash = renewed
            clear_attempts(session, account)
            proved = accounts.principal_of(row, authenticated_at=now, step_up_at=now, step_up_method=method)
            note(session, "session.opened", account, account, now, {"method": method})
            return open_session(session, proved, method, now)

    def prove_again(self, principal: Principal, secret: str, proof: Proof, now: float) -> str:
        """Note in a session that its person has proved again who it is.

        With an enrolled application the one-time password is asked for, else the password.

        Args:
            principal: The person of the session.
            secret: Of the session.
            proof: Password or one-time password.
            now: Unix seconds.

        Returns:
            How it was proved.

        Raises:
            TooManyAttemptsError: The name must wait.
            RefusedError: The proof does not hold, or this is no session of a person.
        """
        stored_hash = self._count(principal.id, now)
        password_matches = bool(proof.password) and self.passwords.verify(stored_hash, proof.password)
        with self.database.transaction() as session:
            row = accounts.find(session, principal.id)
            if not row.totp_confirmed and (not password_matches or row.password_hash != stored_hash):
                raise _wrong()
            method = self._second(session, row, proof, now)
            record_step_up(session, secret, method, now)
            clear_attempts(session, principal.id)
            note(session, "session.step-up", principal.id, principal.id, now, {"method": method})
        return method

    def choose_password(self, link: str, password: str, now: float) -> AccountRow:
        """Set the password of an account that a link was made for; its open sessions end.

        Raises:
            RefusedError: The link is not valid, expired or used.
            IdentityInputError: The password is not good.
        """
        with self.database.reading() as session:
            account = _account_of(
                session, one_time_links.look_at_link(session, link, one_time_links.PASSWORD, now).account
            )
        require_good(password, name=account.id.partition(":")[2], email=account.email)
        hashed = self.passwords.hash(password)
        with self.database.transaction() as session:
            row = _account_of(session, one_time_links.use_link(session, link, one_time_links.PASSWORD, now).account)
            row.password_hash = hashed
            close_all(session, row.id)
            clear_attempts(session, row.id)
            note(session, "account.password", row.id, row.id, now)
            return row

    def _count(self, account: str, now: float) -> str | None:
        """Count an attempt; return the hash to judge it by."""
        with self.database.transaction() as session:
            begin_attempt(session, account, now)
            row = accounts.active(session, account)
            return row.password_hash if row else None

    def _second(self, session: Session, row: AccountRow, proof: Proof, now: float) -> str:
        if not row.totp_confirmed:
            return LOGIN
        if not proof.otp:
            raise RefusedError(
                "a one-time password is needed", hint="falaj login --otp CODE", code="identity.otp-needed"
            )
        second_factor.accept_code(session, self.vault, row, proof.otp, now)
        return TOTP


def _unchanged(session: Session, account: str, stored_hash: str) -> AccountRow:
    """The account, unless it was locked or got another password while the proof was judged."""
    row = accounts.active(session, account)
    if row is None or row.password_hash != stored_hash:
        raise _wrong()
    return row


def _account_of(session: Session, account: str | None) -> AccountRow:
    row = accounts.active(session, account) if account else None
    if row is None:
        raise RefusedError("this account is locked", hint="an administrator can unlock it")
    return row


def _wrong() -> RefusedError:
    return RefusedError("name or password is wrong")
