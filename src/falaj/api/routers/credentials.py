"""What a person carries: tokens for own programs, approval keys, the application for one-time passwords."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.schemas import identity as documents
from falaj.storage.identity_tables import ApprovalKeyRow, TokenRow
from falaj.supply_chain.attestations import SigningRole, open_keyring
from falaj.trust import identity
from falaj.trust.policy import Action as Permitted

router = APIRouter(prefix="/api/v1/auth", tags=["identity"])

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TokenId = Annotated[str, Field(pattern=r"^[0-9a-z]{12}$")]
_DAY_S = 86_400.0
TOKENS = paged("-created_at", {"created_at": (TokenRow.created_at, TokenRow.id)})
_KEYS = paged("key_id", {"key_id": (ApprovalKeyRow.key_id,)})


class TokenCreate(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid")
    label: Annotated[str, Field(min_length=1, max_length=100)]
    actions: Annotated[list[Permitted], Field(min_length=1, max_length=50)]
    days: Annotated[float, Field(gt=0, le=365)] = 30.0
    audience: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,39}$")] = identity.tokens.API

    def parsed(self) -> identity.NewToken:
        """The request as the domain reads it."""
        scope = frozenset(item.value for item in self.actions)
        return identity.NewToken(self.label, scope, self.days * _DAY_S, self.audience)


class ApprovalKeyCreate(BaseModel):
    """A public key, and the signature that shows who holds its private half."""

    model_config = ConfigDict(extra="forbid")
    pem: Annotated[str, Field(max_length=1000)]
    proof: Annotated[str, Field(max_length=200)]


class OneTimePasswordBody(BaseModel):
    """A code of the application."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    otp: Annotated[SecretStr, Field(max_length=12)]


@router.post("/tokens", status_code=201, response_model=documents.IssuedToken, **action(Action.MANAGE_OWN))
def create_token(body: TokenCreate, caller: Caller, platform: Shared) -> documents.IssuedToken:
    """Make a token that acts as oneself, for at most these actions."""
    now = platform.now()
    with platform.database.transaction() as session:
        account = identity.accounts.find(session, caller.id)
        secret, row = identity.tokens.issue(session, account, body.parsed(), caller, now)
        return documents.IssuedToken(secret, token_document(row))


@router.get("/tokens", response_model=list[documents.Token], **action(Action.MANAGE_OWN))
def list_tokens(caller: Caller, platform: Shared, page: Annotated[Paging, Depends(TOKENS)]) -> list[documents.Token]:
    """One's own tokens, the newest first."""
    with platform.database.reading() as session:
        return [token_document(row) for row in page.rows(session, identity.tokens.tokens_of(caller.id))]


@router.delete("/tokens/{token_id}", status_code=204, **action(Action.MANAGE_OWN))
def revoke_token(token_id: TokenId, caller: Caller, platform: Shared) -> None:
    """Revoke one of one's own tokens."""
    with platform.database.transaction() as session:
        identity.tokens.revoke(session, token_id, caller.id, platform.now(), account=caller.id)


@router.post("/approval-keys", status_code=201, response_model=documents.ApprovalKey, **action(Action.MANAGE_OWN))
def register_key(body: ApprovalKeyCreate, caller: Caller, platform: Shared) -> documents.ApprovalKey:
    """Register the public half of one's own key; the platform signs whose it is. Needs a fresh login."""
    signer = open_keyring(platform.home.keys).signer(SigningRole.IDENTITY)
    with platform.database.transaction() as session:
        return _key(identity.register(session, signer, caller, body.pem, body.proof, platform.now()))


@router.get("/approval-keys", response_model=list[documents.ApprovalKey], **action(Action.MANAGE_OWN))
def list_keys(caller: Caller, platform: Shared, page: Annotated[Paging, Depends(_KEYS)]) -> list[documents.ApprovalKey]:
    """One's own keys that are good now."""
    with platform.database.reading() as session:
        return [_key(row) for row in page.rows(session, identity.valid_keys(caller.id, platform.now()))]


@router.delete("/approval-keys/{key_id}", status_code=204, **action(Action.MANAGE_OWN))
def revoke_key(key_id: KeyId, caller: Caller, platform: Shared) -> None:
    """Revoke one of one's own keys: what it signs does not count any more."""
    with platform.database.transaction() as session:
        identity.revoke_key(session, key_id, platform.now(), person=caller.id)


@router.post("/totp", status_code=201, response_model=documents.TotpEnrolment, **action(Action.MANAGE_OWN))
def enrol(caller: Caller, platform: Shared) -> documents.TotpEnrolment:
    """Begin to enrol an application for one-time passwords. Needs a fresh login."""
    with platform.database.transaction() as session:
        enrolled = identity.second_factor.enrol(session, platform.doorkeeper.vault, caller, platform.now())
    return documents.TotpEnrolment(*enrolled)


@router.post("/totp/confirm", status_code=204, **action(Action.MANAGE_OWN))
def confirm(body: OneTimePasswordBody, caller: Caller, platform: Shared) -> None:
    """End the enrolment with a code of the application."""
    code = body.otp.get_secret_value()
    with platform.database.transaction() as session:
        identity.second_factor.confirm(session, platform.doorkeeper.vault, caller, code, platform.now())


@router.delete("/totp", status_code=204, **action(Action.MANAGE_OWN))
def remove(caller: Caller, platform: Shared) -> None:
    """Forget the application. Needs a fresh proof, which is one of its codes."""
    now = platform.now()
    identity.require_recent_login(caller, "removing an application", now)
    with platform.database.transaction() as session:
        identity.second_factor.remove(session, identity.accounts.find(session, caller.id), caller.id, now)


def token_document(row: TokenRow) -> documents.Token:
    """A token without its secret."""
    return documents.Token(
        row.id, row.account, row.label, list(row.actions), row.audience, row.created_at, row.created_by,
        row.expires_at, row.revoked_at,
    )  # fmt: skip


def _key(row: ApprovalKeyRow) -> documents.ApprovalKey:
    return documents.ApprovalKey(row.key_id, row.account, row.pem, row.not_before, row.not_after, row.envelope)
