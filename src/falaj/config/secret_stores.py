"""Where secrets are kept that are not kept here, as the platform file names it; imports the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SecretStoreKind = Literal["vault", "file", "aws-secrets-manager"]


@dataclass(frozen=True)
class SecretStoreSpec:
    """A store of secrets.

    Attributes:
        name: What references call it.
        kind: `vault`, which OpenBao is too, `file`, or `aws-secrets-manager`.
        url: Of a vault.
        mount: Of a vault: where its key-value engine of version 2 is mounted.
        role: Of a vault: the AppRole that reads.
        secret: Of a vault: name of the platform's secret with the role's `secret_id`.
        ca: Of a vault: file with the authorities that vouch for it; empty for those of the machine.
        path: Of files: the folder.
        region: Of AWS: where its secrets are.
    """

    name: str
    kind: SecretStoreKind
    url: str = ""
    mount: str = "kv"
    role: str = ""
    secret: str = ""
    ca: str = ""
    path: str = ""
    region: str = ""


@dataclass(frozen=True)
class SecretReference:
    """A secret in a store.

    Attributes:
        store: Which.
        path: Where in it.
        field: Of an entry with several; empty of a file.
    """

    store: str
    path: str
    field: str = ""

    def __str__(self) -> str:
        """As the platform file writes it."""
        return f"{self.store}:{self.path}" + (f"#{self.field}" if self.field else "")


def parse_reference(text: str) -> SecretReference:
    """Read `STORE:PATH#FIELD`.

    Raises:
        ValueError: It has no store or path, or leads upwards.
    """
    store, colon, rest = text.partition(":")
    path, _, field = rest.partition("#")
    if not (store and colon and path) or path.startswith("/") or {"..", "."} & {*path.split("/")}:
        raise ValueError(f"{text!r} leads to no secret")
    return SecretReference(store, path, field)
