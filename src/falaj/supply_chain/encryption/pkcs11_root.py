"""A root key that never leaves a hardware security module, by PKCS#11."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from falaj.core.errors import MissingExtraError, UsageError
from falaj.supply_chain.encryption.errors import RootKeyError

_NONCE_BYTES, _TAG_BITS = 12, 128
_EXAMPLE = "pkcs11:token=NAME;object=KEY?module-path=/usr/lib/MODULE.so&pin-source=file:/run/secrets/pin"


@dataclass(frozen=True)
class TokenRoot:
    """An AES key in a token; every use is a session of its own.

    Args:
        module: Path of the vendor's library.
        token: Label of the token.
        label: Label of the key.
        pin_file: File that holds the user's PIN.
    """

    module: str
    token: str
    label: str
    pin_file: Path

    @property
    def name(self) -> str:
        """The address without the module and the PIN."""
        return f"pkcs11:token={self.token};object={self.label}"

    def wrap(self, secret: bytes, context: str) -> bytes:
        """See `KeyEncryptionKey.wrap`."""
        nonce = os.urandom(_NONCE_BYTES)
        with self._key() as (key, how):
            return nonce + bytes(key.encrypt(secret, **how(nonce, context)))

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """See `KeyEncryptionKey.unwrap`."""
        with self._key() as (key, how):
            return bytes(key.decrypt(wrapped[_NONCE_BYTES:], **how(wrapped[:_NONCE_BYTES], context)))

    def create(self) -> None:
        """Make the key in the token, sensitive and not extractable.

        Raises:
            RootKeyError: The token refuses.
        """
        with self._session() as (session, pkcs11):
            attributes = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
            session.generate_key(pkcs11.KeyType.AES, 256, label=self.label, store=True, template=attributes)

    @contextmanager
    def _key(self) -> Iterator[tuple[Any, Any]]:
        with self._session() as (session, pkcs11):
            key = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=self.label)

            def how(nonce: bytes, context: str) -> dict[str, Any]:
                parameters = pkcs11.GCMParams(nonce, context.encode(), _TAG_BITS)
                return {"mechanism": pkcs11.Mechanism.AES_GCM, "mechanism_param": parameters}

            yield key, how

    @contextmanager
    def _session(self) -> Iterator[tuple[Any, Any]]:
        try:
            import pkcs11
        except ModuleNotFoundError as error:
            raise MissingExtraError("hsm", "a root key in an HSM") from error
        try:
            pin = self.pin_file.read_text().strip()
            token = pkcs11.lib(self.module).get_token(token_label=self.token)
            with token.open(user_pin=pin, rw=True) as session:
                yield session, pkcs11
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            error_text = str(error) or type(error).__name__
            raise RootKeyError(
                f"the HSM did not do it: {error_text}",
                where=self.name,
                hint="is the module there, the PIN right, the key made?",
            ) from error


def open_token(address: str) -> TokenRoot:
    """Read `pkcs11:token=NAME;object=KEY?module-path=...&pin-source=file:...`.

    Source: RFC 7512. A PIN in the address itself (`pin-value`) is refused: addresses are written into files and logs.

    Raises:
        UsageError: `encryption.bad-root-key`.
    """
    path, _, query = address.removeprefix("pkcs11:").partition("?")
    where = {name: unquote(value) for name, _, value in (part.partition("=") for part in path.split(";"))}
    how = dict(parse_qsl(query))
    pin = how.get("pin-source", "").removeprefix("file:")
    if not (where.keys() == {"token", "object"} and how.keys() == {"module-path", "pin-source"} and pin):
        raise UsageError(
            "this address of a key in a token cannot be read",
            where="FALAJ_ROOT_KEY",
            hint=f"expected {_EXAMPLE}",
            code="encryption.bad-root-key",
        )
    return TokenRoot(how["module-path"], where["token"], where["object"], Path(pin))
