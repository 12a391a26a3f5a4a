"""What administrators do: accounts of people, their roles, and tokens of services."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.route_actions import Action, action
from falaj.api.routers.auth import Name, role_document
from falaj.api.routers.credentials import TOKENS, TokenCreate, TokenId, token_document
from falaj.core.principal import PrincipalKind
from falaj.schemas import identity as documents
from falaj.schemas import states
from falaj.storage.identity_tables import AccountRow
from falaj.trust import identity
from falaj.trust.identity import administration, one_time_links, roles
from falaj.trust.policy import Binding
from falaj.trust.policy import Role as RoleName

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])

Line = Annotated[str, Field(min_length=1, max_length=100)]
Scope = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]

_ACCOUNTS = paged("name", {"name": (AccountRow.id,), "created_at": (AccountRow.created_at, AccountRow.id)})


class RoleUpdate(BaseModel):
    """A role to grant; without project and environment it holds everywhere."""

    model_config = ConfigDict(extra="forbid")
    role: RoleName
    project: Scope | None = None
    environment: Scope | None = None


class AccountCreate(BaseModel):
    """A person to invite."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    email: Annotated[str, Field(max_length=254)]
    groups: Annotated[list[Line], Field(max_length=100)] = []
    roles: Annotated[list[RoleUpdate], Field(max_length=100)] = []


class LinkRequest(BaseModel):
    """A new link; with `without_totp` the enrolled application is forgotten too."""

    model_config = ConfigDict(extra="forbid")
    without_totp: bool = False


@router.get("", response_model=list[documents.Account], **action(Action.MANAGE_ACCOUNTS))
def list_accounts(platform: Shared, page: Annotated[Paging, Depends(_ACCOUNTS)]) -> list[documents.Account]:
    """All accounts, by name."""
    with platform.database.reading() as session:
        return [_account(session, row) for row in page.rows(session, identity.accounts.of_tenant())]


@router.post("", status_code=201, response_model=documents.PasswordLink, **action(Action.MANAGE_ACCOUNTS))
def invite(body: AccountCreate, caller: Caller, platform: Shared) -> documents.PasswordLink:
    """Make an account; the person chooses its password with the link that is answered this once."""
    new_account = identity.NewAccount(
        PrincipalKind.USER, body.name, identity.accounts.LOCAL, body.email, frozenset(body.groups)
    )
    now = platform.now()
    with platform.database.transaction() as session:
        account, secret = administration.invite(session, new_account, caller.id, now)
        if body.roles:
            roles.set_roles(session, account, _bindings(body.roles), caller.id, now)
    return _link(platform, account, secret, now)


@router.post("/{name}/link", response_model=documents.PasswordLink, **action(Action.MANAGE_ACCOUNTS))
def new_link(name: Name, body: LinkRequest, caller: Caller, platform: Shared) -> documents.PasswordLink:
    """Make a new link for someone who forgot the password."""
    now = platform.now()
    with platform.database.transaction() as session:
        account = _person(session, name)
        secret = administration.new_link(session, account, caller.id, now, without_totp=body.without_totp)
    return _link(platform, account, secret, now)


@router.post("/{name}/lock", response_model=documents.Account, **action(Action.MANAGE_ACCOUNTS))
def lock(name: Name, body: RequiredReasonBody, caller: Caller, platform: Shared) -> documents.Account:
    """Lock an account of a person or service: it proves nothing any more."""
    with platform.database.transaction() as session:
        account = _anyone(session, name)
        administration.lock(session, account, body.reason, caller.id, platform.now())
        return _account(session, account)


@router.post("/{name}/unlock", response_model=documents.Account, **action(Action.MANAGE_ACCOUNTS))
def unlock(name: Name, caller: Caller, platform: Shared) -> documents.Account:
    """Unlock an account."""
    with platform.database.transaction() as session:
        account = _anyone(session, name)
        administration.unlock(session, account, caller.id, platform.now())
        return _account(session, account)


@router.put("/{name}/roles", response_model=documents.Account, **action(Action.MANAGE_ACCOUNTS))
def set_roles(name: Name, requested_roles: list[RoleUpdate], caller: Caller, platform: Shared) -> documents.Account:
    """Give an account these roles and no others; those of platform.yaml stay."""
    with platform.database.transaction() as session:
        account = _anyone(session, name)
        roles.set_roles(session, account, _bindings(requested_roles), caller.id, platform.now())
        return _account(session, account)


services = APIRouter(prefix="/api/v1/services", tags=["accounts"])


@services.post(
    "/{name}/tokens", status_code=201, response_model=documents.IssuedToken, **action(Action.MANAGE_ACCOUNTS)
)
def create_token(name: Name, body: TokenCreate, caller: Caller, platform: Shared) -> documents.IssuedToken:
    """Make a token for a service; the service gets an account with its first one."""
    now = platform.now()
    with platform.database.transaction() as session:
        account = identity.tokens.service_account(session, name, caller, now)
        secret, row = identity.tokens.issue(session, account, body.parsed(), caller, now)
        return documents.IssuedToken(secret, token_document(row))


@services.get("/tokens", response_model=list[documents.Token], **action(Action.MANAGE_ACCOUNTS))
def list_tokens(platform: Shared, page: Annotated[Paging, Depends(TOKENS)]) -> list[documents.Token]:
    """The tokens of all services, the newest first."""
    with platform.database.reading() as session:
        return [token_document(row) for row in page.rows(session, identity.tokens.tokens_of())]


@services.delete("/tokens/{token_id}", status_code=204, **action(Action.MANAGE_ACCOUNTS))
def revoke_token(token_id: TokenId, caller: Caller, platform: Shared) -> None:
    """Revoke a token of a service or a person."""
    with platform.database.transaction() as session:
        identity.tokens.revoke(session, token_id, caller.id, platform.now())


def _person(session: Session, name: str) -> AccountRow:
    return identity.accounts.find(session, f"{PrincipalKind.USER}:{name}")


def _anyone(session: Session, name: str) -> AccountRow:
    """The account of a person, or that of a service when it is named `service:NAME`."""
    kind, _, rest = name.rpartition(":")
    return identity.accounts.find(session, f"{kind or PrincipalKind.USER}:{rest}")


def _bindings(requested_roles: list[RoleUpdate]) -> list[Binding]:
    return [Binding(each.role, each.project, each.environment) for each in requested_roles]


def _account(session: Session, row: AccountRow) -> documents.Account:
    granted = [role_document(binding) for binding in roles.roles_of(session, row)]
    return documents.Account(
        row.id, cast("states.AccountSource", row.source), row.email, list(row.groups), row.locked_at,
        row.locked_reason, row.totp_confirmed,
        row.password_hash is not None, row.created_at, granted,
    )  # fmt: skip


def _link(platform: Platform, account: AccountRow, secret: str, now: float) -> documents.PasswordLink:
    text = one_time_links.link_text(platform.home.server_url, secret, one_time_links.PASSWORD)
    return documents.PasswordLink(account.id, text, now + one_time_links.PASSWORD_LIFE_S)
