"""A root key in AWS KMS, or in what speaks its protocol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from falaj.core.errors import MissingExtraError, UsageError
from falaj.supply_chain.encryption.errors import RootKeyError


@dataclass(frozen=True)
class KmsRoot:
    """A symmetric key of KMS; the context is its encryption context, so CloudTrail shows which data key was opened.

    Args:
        key: Key id, ARN, or `alias/NAME`.
        region: Region; empty for the environment's.
        endpoint: `https://host:port` of another server than AWS's; empty for AWS.
    """

    key: str
    region: str = ""
    endpoint: str = ""

    @property
    def name(self) -> str:
        """The address of the key."""
        return f"awskms:{self.key}"

    def wrap(self, secret: bytes, context: str) -> bytes:
        """See `KeyEncryptionKey.wrap`."""
        return self._ask("encrypt", "CiphertextBlob", Plaintext=secret, EncryptionContext={"falaj": context})

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """See `KeyEncryptionKey.unwrap`."""
        return self._ask("decrypt", "Plaintext", CiphertextBlob=wrapped, EncryptionContext={"falaj": context})

    def _ask(self, operation: str, response_field: str, **what: Any) -> bytes:
        client = self._client  # imports boto3, or says that it is not there
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return bytes(getattr(client, operation)(KeyId=self.key, **what)[response_field])
        except (BotoCoreError, ClientError) as error:
            raise RootKeyError(
                f"KMS did not do it: {error}", where=self.name, hint="may this role use the key?"
            ) from error

    @cached_property
    def _client(self) -> Any:
        try:
            import boto3
        except ModuleNotFoundError as error:
            raise MissingExtraError("kms", "a root key in AWS KMS") from error
        return boto3.client("kms", region_name=self.region or None, endpoint_url=self.endpoint or None)


def open_kms(address: str) -> KmsRoot:
    """Read `awskms:KEY?region=...&endpoint=...`; credentials come from the usual variables or the instance's role.

    Raises:
        UsageError: `encryption.bad-root-key`.
    """
    key, _, query = address.removeprefix("awskms:").partition("?")
    options = dict(parse_qsl(query))
    if not key or options.keys() - {"region", "endpoint"}:
        raise UsageError(
            "this address of a key in KMS cannot be read",
            where="FALAJ_ROOT_KEY",
            hint="expected awskms:KEY?region=me-central-1",
            code="encryption.bad-root-key",
        )
    return KmsRoot(key, options.get("region", ""), options.get("endpoint", ""))
