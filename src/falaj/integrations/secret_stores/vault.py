"""Secrets in the key-value engine, version 2, of Vault or OpenBao: a login by AppRole, the reads, and its end."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import httpx

from falaj.config.secret_stores import SecretReference, SecretStoreSpec
from falaj.core.egress import EgressRules
from falaj.core.egress.destination import destination
from falaj.integrations.secret_stores.errors import MissingStoredSecretError, SecretStoreAwayError, SecretStoreError
from falaj.integrations.secret_stores.stored_secret import StoredSecret

TIMEOUT_S = 10.0
_NAMED_BY_AN_ADMINISTRATOR = EgressRules(loopback=True, any_private=True)


def read(
    store: SecretStoreSpec, references: Sequence[SecretReference], secret_id: str
) -> Mapping[SecretReference, StoredSecret]:
    """Read secrets with one short login.

    Raises:
        SecretStoreError: The login or a read is refused.
        MissingStoredSecretError: There is no such secret or field, or its newest version was deleted.
        SecretStoreAwayError: The vault is sealed, or does not answer.
    """
    with _logged_in(store, secret_id) as client:
        return {each: _read(store, client, each) for each in references}


@contextmanager
def _logged_in(store: SecretStoreSpec, secret_id: str) -> Iterator[httpx.Client]:
    try:
        destination(store.url, _NAMED_BY_AN_ADMINISTRATOR)
        trust = ssl.create_default_context(cafile=store.ca or None)
    except OSError as error:
        raise SecretStoreAwayError(f"the secret store cannot be reached: {error}", where=store.url) from None
    with httpx.Client(base_url=store.url, timeout=TIMEOUT_S, verify=trust, follow_redirects=False) as client:
        body = {"role_id": store.role, "secret_id": secret_id}
        response = _ask(store, client, "POST", "/v1/auth/approle/login", body)
        if response.status_code in (400, 403):
            raise SecretStoreError(
                "the secret store does not let the role in",
                where=f"secret_stores.{store.name}",
                hint=f"falaj platform secret set {store.secret}, with a `secret_id` that is valid",
            )  # fmt: skip
        client.headers["X-Vault-Token"] = str(_json(store, response)["auth"]["client_token"])
        try:
            yield client
        finally:
            with suppress(httpx.HTTPError):
                client.post("/v1/auth/token/revoke-self")


def _read(store: SecretStoreSpec, client: httpx.Client, reference: SecretReference) -> StoredSecret:
    path = reference.path.removeprefix("data/")
    response = _ask(store, client, "GET", f"/v1/{quote(store.mount)}/data/{quote(path)}")
    if response.status_code == 403:
        raise SecretStoreError(
            "the role may not read this secret", where=str(reference), hint=f"`read` on {store.mount}/data/{path}"
        )
    if response.status_code == 404:
        raise MissingStoredSecretError(
            _absence(response), where=str(reference), hint=f"write {store.mount}/{path} anew"
        )
    document = _json(store, response)["data"]
    value = document["data"].get(reference.field)
    if not isinstance(value, str) or not value:
        raise MissingStoredSecretError(
            f"the secret has no text called `{reference.field}`",
            where=str(reference), hint=f"it has {', '.join(sorted(document['data'])) or 'nothing'}",
        )  # fmt: skip
    return StoredSecret(value, str(document["metadata"]["version"]))


def _absence(response: httpx.Response) -> str:
    """Why nothing is answered: a deleted version is named with an answer of its own."""
    with suppress(ValueError, KeyError, TypeError):
        metadata = response.json()["data"]["metadata"]
        gone = "was destroyed" if metadata.get("destroyed") else "was deleted"
        return f"version {metadata['version']} of the secret {gone}"
    return "the store has no such secret"


def _ask(
    store: SecretStoreSpec, client: httpx.Client, method: str, path: str, body: Mapping[str, str] | None = None
) -> httpx.Response:
    try:
        response = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise SecretStoreAwayError(f"the secret store does not answer: {reason}", where=store.url) from None
    if response.status_code == 503:
        raise SecretStoreAwayError("the secret store is sealed", where=store.url, hint="unseal it, then run again")
    if response.status_code not in (200, 204, 400, 403, 404):
        raise SecretStoreAwayError(f"the secret store answers {response.status_code}", where=store.url)
    return response


def _json(store: SecretStoreSpec, response: httpx.Response) -> Any:
    try:
        document = response.json()
        if response.status_code != 200 or not isinstance(document, dict):
            raise ValueError(response.status_code)
    except ValueError:
        raise SecretStoreAwayError("what answers is not a secret store", where=store.url) from None
    return document
