"""Secrets of a store, whatever kind it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import cast

from falaj.config.secret_stores import SecretReference, SecretStoreSpec
from falaj.core.errors import MissingExtraError
from falaj.integrations.secret_stores import file_store, vault
from falaj.integrations.secret_stores.stored_secret import StoredSecret


def read_secrets(
    store: SecretStoreSpec, references: Iterable[SecretReference], credential: str = ""
) -> Mapping[SecretReference, StoredSecret]:
    """Read secrets of one store, with one login.

    Args:
        store: Where they are.
        references: Which.
        credential: Of a vault: the `secret_id` of the role.

    Raises:
        SecretStoreError: The store refuses.
        MissingStoredSecretError: There is no such secret, or this version of it was deleted.
        SecretStoreAwayError: It is sealed or does not answer.
        MissingExtraError: Of AWS: the extra `kms` is not installed.
        ForbiddenAddressError: Its name leads where the platform does not connect to.
    """
    if store.kind == "file":
        return {each: file_store.read(store, each) for each in references}
    if store.kind == "aws-secrets-manager":
        try:
            module = import_module("falaj.integrations.secret_stores.aws_secrets_manager")
        except ImportError:
            raise MissingExtraError("kms", "reading secrets of AWS") from None
        return cast("Mapping[SecretReference, StoredSecret]", module.read(store, [*references]))
    return vault.read(store, [*references], credential)
