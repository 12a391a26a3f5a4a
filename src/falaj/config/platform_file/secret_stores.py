"""The part of platform.yaml that says where secrets are kept that are not kept here."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from falaj.config.fields import NonEmpty, SecretName, Strict, problem, text_like
from falaj.config.platform_file.keys_of_kind import KeysOfKind, require_keys_of_kind
from falaj.config.platform_file.listening import FilePath
from falaj.config.secret_stores import SecretStoreSpec, parse_reference

StoreUrl = Annotated[str, text_like(r"^https?://[^\s/@?#]+$", "https://HOST[:PORT]", 300)]
Mount = Annotated[str, text_like(r"^[A-Za-z0-9][A-Za-z0-9_/-]*$", "the path of a mount, such as kv", 100)]
_OF_KIND: KeysOfKind = {
    "vault": (("url", "approle"), ("mount", "ca")),
    "file": (("path",), ()),
    "aws-secrets-manager": (("region",), ()),
}


def _reference(text: str) -> str:
    try:
        parse_reference(text)
    except ValueError:
        raise problem(f"{text[:60]!r} leads to no secret", "STORE:PATH#FIELD, without `..`") from None
    return text


Reference = Annotated[
    str,
    text_like(r"^[a-z][a-z0-9-]*:[A-Za-z0-9][A-Za-z0-9._/-]*(#[A-Za-z0-9_.-]+)?$", "STORE:PATH#FIELD", 500),
    AfterValidator(_reference),
]


class AppRole(Strict):
    """How a vault is logged in to, for a minute."""

    role: NonEmpty = Field(description="The `role_id`.")
    secret: SecretName = Field(
        description="Name of the platform's secret with the `secret_id`; `falaj platform secret set NAME` keeps it."
    )


class SecretStore(Strict):
    """Where secrets are kept that are not kept here."""

    kind: Literal["vault", "file", "aws-secrets-manager"] = Field(
        description="`vault` for HashiCorp Vault and OpenBao, `file` for files that something else writes, "
        "`aws-secrets-manager`, asked by the role of the machine."
    )
    url: StoreUrl | None = Field(default=None, description="Of `vault`: its address.")
    mount: Mount | None = Field(default=None, description="Of `vault`: mount of the key-value engine, version 2; `kv`.")
    approle: AppRole | None = Field(default=None, description="Of `vault`: who reads.")
    ca: FilePath | None = Field(default=None, description="Of `vault`: file of the authorities that vouch for it.")
    path: FilePath | None = Field(default=None, description="Of `file`: the folder that server and worker can read.")

    region: NonEmpty | None = Field(default=None, description="Of `aws-secrets-manager`: where its secrets are.")

    @model_validator(mode="after")
    def _of_kind(self) -> Self:
        require_keys_of_kind(self, "a store", self.kind, _OF_KIND)
        return self

    def to_spec(self, name: str) -> SecretStoreSpec:
        """The store as other rooms consume it."""
        role, secret = (self.approle.role, self.approle.secret) if self.approle else ("", "")
        mount = (self.mount or "kv").strip("/")
        return SecretStoreSpec(
            name, self.kind, self.url or "", mount, role, secret, self.ca or "", self.path or "", self.region or ""
        )
