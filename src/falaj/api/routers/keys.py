"""Data keys, and secrets of steps and of the platform. No route answers with a key or a value."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints
from sqlalchemy import select

from falaj.api import dsar, mlflow_copies
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Shared
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.route_actions import Action, action
from falaj.control.runs import queue
from falaj.schemas import keys as documents
from falaj.storage.key_tables import DataKeyRow
from falaj.supply_chain.encryption import KeyScope, WrappedKey, home_scope
from falaj.trust import secrets
from falaj.trust.audit import record

router = APIRouter(prefix="/api/v1", tags=["keys"])

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
ProjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
ScopeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}$")]

_KEYS = paged("created_at", {"created_at": (DataKeyRow.created_at, DataKeyRow.id)})
_SECRETS = "one a secret that somebody set"


class KeyScopeBody(BaseModel):
    """Whose key to rotate; without a jurisdiction, that of the installation."""

    model_config = ConfigDict(extra="forbid")
    tenant: ScopeText = "default"
    jurisdiction: ScopeText | None = None


class SecretValue(BaseModel):
    """The value of a secret; its representation does not show it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    value: SecretStr


@router.get("/keys", response_model=list[documents.Key], **action(Action.READ))
def list_keys(platform: Shared, page: Annotated[Paging, Depends(_KEYS)]) -> list[documents.Key]:
    """All data keys, the destroyed ones too, oldest first."""
    secrets.synchronise(platform.database, platform.keys)
    with platform.database.reading() as session:
        return [_document(secrets.data_key(row)) for row in page.rows(session, select(DataKeyRow))]


@router.post("/keys/rotate", response_model=documents.Key, **action(Action.MANAGE_KEYS))
def rotate(body: KeyScopeBody, platform: Shared, caller: Caller) -> documents.Key:
    """Make the key that encrypts from now on; the ones before it stay for reading."""
    scope = KeyScope(body.tenant, body.jurisdiction or home_scope(platform.home.settings).jurisdiction)
    secrets.synchronise(platform.database, platform.keys)
    with platform.database.transaction() as session:
        changed = secrets.rotate(session, platform.keys, scope)
        for key in changed:
            queue.record(session, f"key/{key.id}", f"key.{key.state}", {"by": caller.id}, platform.now())
            record.write(
                session,
                f"key.{key.state}",
                caller.id,
                f"key/{key.id}",
                platform.now(),
                {"tenant": scope.tenant, "jurisdiction": scope.jurisdiction},
            )
    platform.keys.learn(changed)
    return _document(changed[-1])


@router.post("/keys/{key_id}/destroy", response_model=documents.Destroyed, **action(Action.MANAGE_KEYS))
def destroy(key_id: KeyId, body: RequiredReasonBody, platform: Shared, caller: Caller) -> documents.Destroyed:
    """Destroy a key, and with it all that it encrypted. Nothing brings it back; what law keeps forbids it."""
    now, why = platform.now(), {"by": caller.id, "reason": body.reason}
    secrets.synchronise(platform.database, platform.keys)
    dsar.refuse_locked_key(platform, caller, key_id)
    with platform.database.transaction() as session:
        gone = secrets.destroy(session, key_id, now)
        queue.record(session, f"key/{key_id}", "key.destroyed", why, now)
        record.write(session, "key.destroyed", caller.id, f"key/{key_id}", now, {"reason": body.reason})
    platform.keys.learn([gone])
    platform.database.forget_deleted()
    removed = platform.store.remove_erased({key_id})
    mlflow_copies.remove_copies(platform, gone)
    return documents.Destroyed(_document(gone), removed)


@router.get(
    "/projects/{project}/secrets", response_model=list[documents.Secret], **action(Action.READ, bounded=_SECRETS)
)
def list_secrets(project: ProjectName, platform: Shared) -> list[documents.Secret]:
    """The secrets of a project, without their values."""
    with platform.database.reading() as session:
        return [documents.Secret(**vars(note)) for note in secrets.list_secrets(session, project)]


@router.put("/projects/{project}/secrets/{name}", response_model=documents.Secret, **action(Action.CONFIGURE_PROJECT))
def set_secret(
    project: ProjectName, name: SecretName, body: SecretValue, platform: Shared, caller: Caller
) -> documents.Secret:
    """Keep a secret for the steps of a project, replacing the one of that name."""
    note = secrets.SecretNote(project, name, platform.now(), caller.id)
    with platform.database.transaction() as session:
        secrets.set_secret(session, platform.vault, note, body.value.get_secret_value())
        record.write(session, "secret.set", caller.id, _secret(project, name), note.updated_at)
    return documents.Secret(**vars(note))


@router.delete("/projects/{project}/secrets/{name}", status_code=204, **action(Action.CONFIGURE_PROJECT))
def remove_secret(project: ProjectName, name: SecretName, platform: Shared, caller: Caller) -> None:
    """Forget a secret."""
    with platform.database.transaction() as session:
        secrets.remove_secret(session, project, name)
        record.write(session, "secret.removed", caller.id, _secret(project, name), platform.now())


@router.get("/platform/secrets", response_model=list[documents.Secret], **action(Action.READ, bounded=_SECRETS))
def list_platform_secrets(platform: Shared) -> list[documents.Secret]:
    """The secrets of the platform, without their values."""
    with platform.database.reading() as session:
        return [documents.Secret(**vars(note)) for note in secrets.list_platform_secrets(session)]


@router.put("/platform/secrets/{name}", response_model=documents.Secret, **action(Action.MANAGE_PLATFORM))
def set_platform_secret(name: SecretName, body: SecretValue, platform: Shared, caller: Caller) -> documents.Secret:
    """Keep a secret for what the platform file names, replacing the one of that name."""
    note = secrets.SecretNote(secrets.PLATFORM, name, platform.now(), caller.id)
    with platform.database.transaction() as session:
        secrets.set_platform_secret(session, platform.vault, note, body.value.get_secret_value())
        record.write(session, "secret.set", caller.id, f"platform/secret/{name}", note.updated_at)
    return documents.Secret(**vars(note))


@router.delete("/platform/secrets/{name}", status_code=204, **action(Action.MANAGE_PLATFORM))
def remove_platform_secret(name: SecretName, platform: Shared, caller: Caller) -> None:
    """Forget a secret of the platform."""
    with platform.database.transaction() as session:
        secrets.remove_platform_secret(session, name)
        record.write(session, "secret.removed", caller.id, f"platform/secret/{name}", platform.now())


def _secret(project: str, name: str) -> str:
    return f"project/{project}/secret/{name}"


def _document(key: WrappedKey) -> documents.Key:
    scope = key.scope
    return documents.Key(
        key.id, scope.tenant, scope.jurisdiction, scope.subject, key.state.value, key.root, key.created_at,
        key.changed_at,
    )  # fmt: skip
