"""What administrators do to accounts: invite, lock, unlock, make a new password link."""

from __future__ import annotations

from sqlalchemy.orm import Session

from falaj.storage.identity_tables import AccountRow
from falaj.trust.identity import accounts, one_time_links, second_factor
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.errors import IdentityInputError
from falaj.trust.identity.roles import refuse_own
from falaj.trust.identity.sessions import close_all


def invite(session: Session, new_account: accounts.NewAccount, actor: str, now: float) -> tuple[AccountRow, str]:
    """Make an account of a person, and a link to choose its password: nobody else ever knows one.

    Returns:
        The account, and the link's secret, to be handed to the person.

    Raises:
        IdentityInputError: Name or address is not allowed.
        IdentityTakenError: Name or address has an account.
    """
    account = accounts.create(session, new_account, actor, now)
    note(session, "account.created", actor, account.id, now)
    return account, one_time_links.make_link(
        session, one_time_links.PASSWORD, account.id, now, one_time_links.PASSWORD_LIFE_S
    )


def new_link(session: Session, account: AccountRow, actor: str, now: float, *, without_totp: bool = False) -> str:
    """Make a link for someone who forgot a password, or lost the phone.

    The password in use stays until the link is used. Whoever gets the link becomes this person, so the audit log says
    who made it.

    Args:
        session: Transaction to write in.
        account: Whose.
        actor: Principal id of the administrator.
        now: Unix seconds.
        without_totp: Forget the enrolled application too.

    Raises:
        IdentityInputError: The account has no password: it is a service, or an identity provider's.
    """
    if account.source != accounts.LOCAL:
        raise IdentityInputError("this account has no password", hint="its identity provider, or a token, proves it")
    if without_totp:
        second_factor.remove(session, account, actor, now)
    note(session, "account.link", actor, account.id, now)
    return one_time_links.make_link(session, one_time_links.PASSWORD, account.id, now, one_time_links.PASSWORD_LIFE_S)


def lock(session: Session, account: AccountRow, reason: str, actor: str, now: float) -> None:
    """Lock an account: its sessions end, its tokens and links prove nothing while it is locked.

    Raises:
        ConflictError: It is one's own (`identity.own-account`).
    """
    refuse_own(account, actor)
    if account.locked_at is None:
        account.locked_at, account.locked_reason = now, reason
    close_all(session, account.id)
    note(session, "account.locked", actor, account.id, now, {"reason": reason})


def unlock(session: Session, account: AccountRow, actor: str, now: float) -> None:
    """Unlock an account; it must log in again."""
    account.locked_at, account.locked_reason = None, ""
    note(session, "account.unlocked", actor, account.id, now)
