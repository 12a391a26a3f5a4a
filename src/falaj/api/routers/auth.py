"""Proving who one is: setup, login, password, step-up, logout, and what the platform takes one for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from falaj.api.authentication import secret_of
from falaj.api.authorization import Caller
from falaj.api.browser_session import give_cookie, require_own_page, take_cookie
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.schemas import identity as documents
from falaj.storage.identity_tables import SessionRow
from falaj.trust import identity
from falaj.trust.policy import Binding, bindings_of

router = APIRouter(prefix="/api/v1/auth", tags=["identity"])

Name = Annotated[str, Field(min_length=1, max_length=63)]
Password = Annotated[SecretStr, Field(max_length=256)]
Otp = Annotated[SecretStr, Field(max_length=12)]
LinkSecret = Annotated[SecretStr, Field(max_length=500)]
SessionId = Annotated[str, Field(pattern=r"^[0-9a-z]{1,40}$")]
_NONE = SecretStr("")
_SESSIONS = paged("-authenticated_at", {"authenticated_at": (SessionRow.authenticated_at, SessionRow.id)})


class _Secretive(BaseModel):
    """A request whose errors do not repeat what was sent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Opening(_Secretive):
    """A request for a session; with `cookie`, the answer gives it to the browser that asks, and no script sees it."""

    cookie: bool = False


class SetupRequest(_Opening):
    """The first administrator."""

    link: LinkSecret
    name: Name
    email: Annotated[str, Field(max_length=254)]
    password: Password


class LoginRequest(_Opening):
    """Who logs in."""

    name: Name
    password: Password
    otp: Otp = _NONE


class PasswordUpdate(_Secretive):
    """A new password, by a one-time link."""

    link: LinkSecret
    password: Password


class StepUpRequest(_Secretive):
    """A fresh proof of identity."""

    password: Password = _NONE
    otp: Otp = _NONE


@router.post("/setup", status_code=201, response_model=documents.LoggedIn, **action(Action.PUBLIC))
async def set_up(body: SetupRequest, request: Request, response: Response, platform: Shared) -> documents.LoggedIn:
    """Make the first administrator with the one-time link of the installation, and log in."""
    _require_own_page(body, request, platform)
    return _with_cookie(body, response, platform, await platform.password_queue.run(_set_up, body, platform))


def _set_up(body: SetupRequest, platform: Platform) -> documents.LoggedIn:
    newcomer = identity.FirstAdministrator(body.name, body.email, body.password.get_secret_value())
    keeper, now = platform.doorkeeper, platform.now()
    link = body.link.get_secret_value()
    identity.make_first_administrator(platform.database, keeper.passwords, link, newcomer, now)
    (platform.home.root / identity.LINK_FILE).unlink(missing_ok=True)
    return _opened(platform, keeper.log_in(body.name, identity.Proof(newcomer.password), now))


@router.post("/login", response_model=documents.LoggedIn, **action(Action.PUBLIC))
async def log_in(body: LoginRequest, request: Request, response: Response, platform: Shared) -> documents.LoggedIn:
    """Open a session with a name and a password, and a one-time password when an application is enrolled.

    Whoever finds the queue of logins full is answered 503 at once, with the time to wait.
    """
    _require_own_page(body, request, platform)
    return _with_cookie(body, response, platform, await platform.password_queue.run(_log_in, body, platform))


def _log_in(body: LoginRequest, platform: Platform) -> documents.LoggedIn:
    proof = identity.Proof(body.password.get_secret_value(), body.otp.get_secret_value())
    return _opened(platform, platform.doorkeeper.log_in(body.name, proof, platform.now()))


@router.post("/password", status_code=204, **action(Action.PUBLIC))
async def choose_password(body: PasswordUpdate, platform: Shared) -> None:
    """Choose a password with the one-time link that an administrator handed over."""
    link, password = body.link.get_secret_value(), body.password.get_secret_value()
    await platform.password_queue.run(platform.doorkeeper.choose_password, link, password, platform.now())


@router.post("/step-up", response_model=documents.SteppedUp, **action(Action.MANAGE_OWN))
async def step_up(body: StepUpRequest, request: Request, caller: Caller, platform: Shared) -> documents.SteppedUp:
    """Prove again who one is, as approvals and new keys ask for."""
    proof, now = identity.Proof(body.password.get_secret_value(), body.otp.get_secret_value()), platform.now()
    prove = platform.doorkeeper.prove_again
    secret = secret_of(request, platform)
    return documents.SteppedUp(await platform.password_queue.run(prove, caller, secret, proof, now), now)


@router.post("/logout", status_code=204, **action(Action.MANAGE_OWN))
def log_out(request: Request, response: Response, platform: Shared) -> None:
    """End the session that sends this."""
    with platform.database.transaction() as session:
        identity.close_session(session, secret_of(request, platform), platform.now())
    take_cookie(response, platform.home)


@router.get("/sessions", response_model=list[documents.OwnSession], **action(Action.MANAGE_OWN))
def list_sessions(
    request: Request, caller: Caller, platform: Shared, page: Annotated[Paging, Depends(_SESSIONS)]
) -> list[documents.OwnSession]:
    """One's own live sessions, the newest first."""
    own, now = secret_of(request, platform).split(".")[1:2], platform.now()
    with platform.database.reading() as session:
        rows = page.rows(session, identity.sessions_of(caller.id, now))
        return [_own_session(row, current=[row.id] == own) for row in rows if identity.is_live(row, now)]


def _own_session(row: SessionRow, *, current: bool) -> documents.OwnSession:
    return documents.OwnSession(
        row.id, row.method, row.idle_s is not None, row.authenticated_at, row.used_at, row.expires_at, current
    )


@router.delete("/sessions/{session_id}", status_code=204, **action(Action.MANAGE_OWN))
def end_session(session_id: SessionId, caller: Caller, platform: Shared) -> None:
    """End one of one's own sessions, such as that of a browser elsewhere."""
    with platform.database.transaction() as session:
        identity.end_session(session, caller.id, session_id)


@router.get("/whoami", response_model=documents.WhoAmI, **action(Action.READ, refined=True))
def whoami(caller: Caller, platform: Shared) -> documents.WhoAmI:
    """Whom the platform takes the sender for, and the roles that this one holds."""
    with platform.database.reading() as session:
        granted = bindings_of(session, caller)
    return documents.WhoAmI(
        caller.id,
        caller.kind.value,
        caller.tenant,
        caller.email,
        sorted(caller.groups),
        None if caller.actions is None else sorted(caller.actions),
        caller.authenticated_at,
        caller.step_up_at,
        caller.step_up_method,
        [role_document(binding) for binding in granted],
    )


def role_document(binding: Binding) -> documents.GrantedRole:
    """A role in its scope."""
    return documents.GrantedRole(binding.role.value, binding.project, binding.environment, binding.source)


def _require_own_page(body: _Opening, request: Request, platform: Platform) -> None:
    if body.cookie:
        require_own_page(request, platform.home)


def _with_cookie(
    body: _Opening, response: Response, platform: Platform, opened: documents.LoggedIn
) -> documents.LoggedIn:
    """What is answered: the session's secret, or a cookie with it."""
    if not body.cookie:
        return opened
    give_cookie(response, platform, opened.token)
    return replace(opened, token="")


def _opened(platform: Platform, secret: str) -> documents.LoggedIn:
    with platform.database.reading() as session:
        row = identity.session_of(session, secret, platform.now())
    return documents.LoggedIn(secret, row.account, row.expires_at, row.step_up_method)
