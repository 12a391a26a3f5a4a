"""Logging in by an identity provider, and proving oneself again with a security key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import select

from falaj.api.authentication import secret_of
from falaj.api.authorization import Caller
from falaj.api.federation import PREFIX
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.api.routers.pages import SECURITY_KEY
from falaj.core.principal import Principal
from falaj.schemas import federation as documents
from falaj.schemas.identity import LoggedIn
from falaj.storage.federation_tables import SecurityKeyRow
from falaj.trust import identity
from falaj.trust.audit import record
from falaj.trust.identity import federation
from falaj.trust.identity.errors import RefusedError

router = APIRouter(prefix="/api/v1/auth", tags=["identity"])
_KEYS = paged("created_at", {"created_at": (SecurityKeyRow.created_at, SecurityKeyRow.id)})

COOKIE = "falaj-login"
"""Binds a login to the browser that began it."""

_UNSEEN = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
Text = Annotated[str, Query(max_length=4_000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, Field(min_length=1, max_length=100)]


class Redemption(BaseModel):
    """The one-time code of a login, and the verifier that it was begun with."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    code: Annotated[SecretStr, Field(max_length=200)]
    verifier: Annotated[SecretStr, Field(max_length=200)]


class NewSecurityKey(BaseModel):
    """What a new security key answered."""

    model_config = ConfigDict(extra="forbid")
    label: Label
    response: dict[str, Any]


class Statement(BaseModel):
    """What is going to be approved."""

    model_config = ConfigDict(extra="forbid")
    statement: Sha256


class Assertion(BaseModel):
    """What a security key answered."""

    model_config = ConfigDict(extra="forbid")
    response: dict[str, Any]


@router.get("/oidc", response_model=documents.IdentityProvider, **action(Action.PUBLIC))
def provider(platform: Shared) -> documents.IdentityProvider:
    """Who vouches for people, and where a browser begins a login."""
    issuer = platform.federation.logins().provider.settings.issuer
    return documents.IdentityProvider(issuer, f"{platform.home.public_url}{PREFIX}/start")


@router.get("/oidc/start", status_code=302, response_class=Response, **action(Action.PUBLIC))
def start(challenge: Text, return_to: Text, platform: Shared) -> Response:
    """Send a browser to the identity provider.

    `challenge` is S256 of a verifier that the sender keeps; `return_to` is `http://127.0.0.1:PORT/...` or a path of
    this server, and gets `code`, or `error` with `error_description`.
    """
    begun = platform.federation.logins().start(challenge, return_to, platform.now())
    answer = RedirectResponse(begun.address, 302, _UNSEEN)
    answer.set_cookie(
        COOKIE,
        begun.browser,
        max_age=int(federation.LOGIN_S),
        path=PREFIX,
        secure=platform.home.public_url.startswith("https:"),
        httponly=True,
        samesite="lax",  # the provider's redirect must carry it
    )
    return answer


@router.get("/oidc/callback", status_code=302, response_class=Response, **action(Action.PUBLIC))
def callback(
    platform: Shared,
    state: Text,
    code: Text = "",
    iss: Annotated[str | None, Query(max_length=500)] = None,
    error: Text = "",
    browser: Annotated[str, Cookie(alias=COOKIE, max_length=200)] = "",
) -> Response:
    """Take the identity provider's answer, and send the browser to where the login was begun."""
    answer = federation.RedirectResponse(state, browser, code, iss, error)
    address = platform.federation.logins().finish(answer, platform.now())
    back = RedirectResponse(address, 302, _UNSEEN)
    back.delete_cookie(COOKIE, path=PREFIX)
    return back


@router.post("/oidc/redeem", response_model=LoggedIn, **action(Action.PUBLIC))
def redeem(body: Redemption, platform: Shared) -> LoggedIn:
    """Fetch the session of a login, with the verifier that it was begun with."""
    now = platform.now()
    code, verifier = body.code.get_secret_value(), body.verifier.get_secret_value()
    secret = platform.federation.logins().redeem(code, verifier, now)
    with platform.database.reading() as session:
        row = identity.session_of(session, secret, now)
    return LoggedIn(secret, row.account, row.expires_at, row.step_up_method)


@router.get("/security-keys", response_model=list[documents.SecurityKey], **action(Action.MANAGE_OWN))
def list_keys(caller: Caller, platform: Shared, page: Annotated[Paging, Depends(_KEYS)]) -> list[documents.SecurityKey]:
    """One's own security keys, oldest first."""
    query = select(SecurityKeyRow).where(SecurityKeyRow.account == caller.id)
    with platform.database.reading() as session:
        return [_document(row) for row in page.rows(session, query)]


@router.get("/security-keys/page", response_model=documents.KeyPage, **action(Action.MANAGE_OWN))
def key_page(platform: Shared) -> documents.KeyPage:
    """Where a browser asks for a security key; keys are bound to that address."""
    return documents.KeyPage(f"{platform.home.public_url}{SECURITY_KEY}")


@router.post("/security-keys/begin", response_model=dict[str, Any], **action(Action.MANAGE_OWN))
def begin_registration(caller: Caller, platform: Shared) -> dict[str, Any]:
    """Begin to register a security key; the answer is for `navigator.credentials.create`."""
    party, now = platform.federation.party, platform.now()
    with platform.database.transaction() as session:
        return federation.security_keys.begin_registration(session, party, caller, now)


@router.post("/security-keys", status_code=201, response_model=documents.SecurityKey, **action(Action.MANAGE_OWN))
def finish_registration(body: NewSecurityKey, caller: Caller, platform: Shared) -> documents.SecurityKey:
    """Register the security key that answered."""
    party, now = platform.federation.party, platform.now()
    with _refusals_recorded(platform, caller), platform.database.transaction() as session:
        row = federation.security_keys.finish_registration(session, party, caller, body.response, body.label, now)
        return _document(row)


@router.delete("/security-keys/{key}", status_code=204, **action(Action.MANAGE_OWN))
def remove_key(key: str, caller: Caller, platform: Shared) -> None:
    """Forget one of one's own security keys."""
    with platform.database.transaction() as session:
        federation.security_keys.remove(session, caller, key, platform.now())


@router.post("/step-up/security-key/begin", response_model=dict[str, Any], **action(Action.MANAGE_OWN))
def begin_step_up(body: Statement, caller: Caller, platform: Shared) -> dict[str, Any]:
    """Begin a proof for one statement, by the SHA-256 of what will be signed; for `navigator.credentials.get`."""
    party, now = platform.federation.party, platform.now()
    with platform.database.transaction() as session:
        return federation.begin_step_up(session, party, caller, body.statement, now)


@router.post("/step-up/security-key", response_model=documents.AssertedStepUp, **action(Action.MANAGE_OWN))
def finish_step_up(body: Assertion, request: Request, caller: Caller, platform: Shared) -> documents.AssertedStepUp:
    """Take the security key's proof; it is good for the one statement, for five minutes."""
    party, now = platform.federation.party, platform.now()
    with _refusals_recorded(platform, caller), platform.database.transaction() as session:
        proved = federation.finish_step_up(session, party, caller, body.response, now)
        identity.record_step_up(session, secret_of(request, platform), federation.WEBAUTHN, now)
    return documents.AssertedStepUp(federation.WEBAUTHN, now, proved.statement, proved.key)


@contextmanager
def _refusals_recorded(platform: Platform, caller: Principal) -> Iterator[None]:
    """Write down that a proof was refused, after the transaction that it ended."""
    try:
        yield
    except RefusedError as error:
        details = {"code": error.code, "reason": error.message}
        subject = f"account/{caller.name}"
        with platform.database.transaction() as session:
            record.write(session, "security-key.refused", caller.id, subject, platform.now(), details, outcome="denied")
        raise


def _document(row: SecurityKeyRow) -> documents.SecurityKey:
    return documents.SecurityKey(row.id, row.label, row.created_at, row.used_at)
