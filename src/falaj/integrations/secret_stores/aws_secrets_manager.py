"""Secrets in AWS Secrets Manager, asked for by the role of the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from falaj.config.secret_stores import SecretReference, SecretStoreSpec
from falaj.integrations.secret_stores.errors import MissingStoredSecretError, SecretStoreAwayError, SecretStoreError
from falaj.integrations.secret_stores.stored_secret import StoredSecret

_GONE = ("ResourceNotFoundException", "InvalidRequestException")
_REFUSED = ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException")
_PATIENCE = Config(connect_timeout=10, read_timeout=10, retries={"max_attempts": 2})


def read(store: SecretStoreSpec, references: Sequence[SecretReference]) -> Mapping[SecretReference, StoredSecret]:
    """Read secrets; the newest version of each.

    Raises:
        SecretStoreError: The role may not read one.
        MissingStoredSecretError: There is none of that name, it is to be deleted, or it has no such field.
        SecretStoreAwayError: AWS does not answer, or the machine has no role.
    """
    client = boto3.client("secretsmanager", region_name=store.region, config=_PATIENCE)
    return {each: _read(client, each) for each in references}


def _read(client: Any, reference: SecretReference) -> StoredSecret:
    try:
        answer = client.get_secret_value(SecretId=reference.path)
    except ClientError as error:
        raise _explained(error, reference) from None
    except BotoCoreError as error:
        raise SecretStoreAwayError(f"the secret store does not answer: {error}", where=str(reference)) from None
    return StoredSecret(_field(answer.get("SecretString"), reference), str(answer["VersionId"]))


def _field(text: str | None, reference: SecretReference) -> str:
    """The field of a secret that is JSON, or a secret that is plain text."""
    if text and not reference.field:
        return text
    try:
        document = json.loads(text or "")
        value = document[reference.field]
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        raise MissingStoredSecretError(f"the secret has no text called `{reference.field}`", where=str(reference))
    return value


def _explained(error: ClientError, reference: SecretReference) -> Exception:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in _GONE:
        return MissingStoredSecretError(f"the store has no such secret now: {message}", where=str(reference))
    if code in _REFUSED:
        hint = f"secretsmanager:GetSecretValue on {reference.path} for the role of server and worker"
        return SecretStoreError("the role may not read this secret", where=str(reference), hint=hint)
    return SecretStoreAwayError(f"the secret store answers {code}: {message}", where=str(reference))
