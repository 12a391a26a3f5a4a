"""The part of platform.yaml that says which other systems data is read from, and by which secrets."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from falaj.config.connections import (
    DEFAULT_MAX_ROWS,
    DEFAULT_TIMEOUT_S,
    SECRETS,
    BucketAddress,
    ConnectionSpec,
    DatabaseAddress,
    Tls,
)
from falaj.config.fields import Duration, ModelName, NonEmpty, Origin, SecretName, Strict, problem, text_like
from falaj.config.platform_file.keys_of_kind import KeysOfKind, require_keys_of_kind
from falaj.config.platform_file.listening import FilePath

_OF_KIND: KeysOfKind = {
    "s3": (("bucket",), ("region", "endpoint")),
    "postgres": (("host", "database", "user"), ("port", "tls", "ca", "timeout", "max_rows")),
    "folder": (("path",), ()),
}
_MOST_ROWS = 1_000_000_000
_MOST_S = 6 * 3_600

BucketName = Annotated[str, text_like(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "the name of a bucket", 63)]
Endpoint = Annotated[str, text_like(r"^https?://[^\s/@?#]+$", "https://HOST[:PORT]", 300)]
DatabaseHost = Annotated[
    str,
    text_like(r"^([A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?|/[^\x00\s]+)$", "a host, or the folder of a socket", 300),
]
SecretPurpose = Literal["key", "secret", "password"]


class Connection(Strict):
    """Another system that data is read from; sources name it, and its secrets stay with the platform."""

    kind: Literal["s3", "postgres", "folder"] = Field(
        description="What it is: `s3` for `s3://`, `delta://` and `iceberg://`, `folder` for the last two, "
        "`postgres` for `sql://`."
    )
    jurisdiction: Origin = Field(
        description="ISO 3166 code of the law that its data is under. Data that is not public is read by an "
        "installation of the same country alone."
    )
    projects: list[ModelName] = Field(default=[], description="Which projects may read from it; all by default.")
    secrets: dict[SecretPurpose, SecretName] = Field(
        default={},
        description="Names of the platform's secrets: `key` and `secret` of S3, `password` of a database; "
        "`falaj platform secret set NAME` keeps their values.",
    )
    bucket: BucketName | None = Field(default=None, description="Of `s3`: the bucket.")
    region: NonEmpty | None = Field(default=None, description="Of `s3`: its region; us-east-1 by default.")
    endpoint: Endpoint | None = Field(default=None, description="Of `s3`: the server, where it is not that of AWS.")
    host: DatabaseHost | None = Field(
        default=None, description="Of `postgres`: the server's name or address, or the folder of its socket."
    )
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="Of `postgres`: TCP port; 5432 by default."
    )
    database: NonEmpty | None = Field(default=None, description="Of `postgres`: name of the database.")
    user: NonEmpty | None = Field(
        default=None, description="Of `postgres`: as whom it is asked; grant it to read only."
    )
    tls: Literal["verify-full", "require", "off"] | None = Field(
        default=None,
        description="Of `postgres`: `verify-full` by default; `require` does not verify who answers, `off` is for this "
        "machine alone.",
    )
    ca: FilePath | None = Field(
        default=None, description="Of `postgres`: file of the authorities that vouch for the server."
    )
    timeout: Annotated[Duration, Field(gt=0, le=_MOST_S)] | None = Field(
        default=None, description="Of `postgres`: a query that takes longer is ended; 10m by default."
    )
    max_rows: Annotated[int, Field(ge=1, le=_MOST_ROWS)] | None = Field(
        default=None,
        description=f"Of `postgres`: a query that gives more rows is refused; {DEFAULT_MAX_ROWS:,} by default.",
    )

    path: FilePath | None = Field(default=None, description="Of `folder`: a folder that server and worker can read.")

    @model_validator(mode="after")
    def _of_kind(self) -> Self:
        require_keys_of_kind(self, "a connection", self.kind, _OF_KIND)
        if self.secrets.keys() - {*SECRETS[self.kind]}:
            expected = f"`{'` and `'.join(SECRETS[self.kind])}`" if SECRETS[self.kind] else "no secrets"
            raise problem("the secrets are those of another kind", expected)
        if self.kind == "s3" and len(self.secrets) == 1:
            raise problem("`key` and `secret` go together", "both; neither for what the machine itself may read")
        self._require_tls()
        return self

    def _require_tls(self) -> None:
        if self.kind == "postgres" and self.tls == "off" and not _is_here(self.host or ""):
            raise problem("without TLS, password and rows could be read on the way", "`tls: verify-full` or `require`")

    def to_spec(self, name: str) -> ConnectionSpec:
        """The connection as other rooms consume it."""
        return ConnectionSpec(
            name, self.kind, self.jurisdiction, tuple(dict.fromkeys(self.projects)),
            {str(purpose): secret for purpose, secret in self.secrets.items()},
            bucket=BucketAddress(**self._values(("bucket", "region", "endpoint"))) if self.kind == "s3" else None,
            database=self._database() if self.kind == "postgres" else None, folder=self.path or "",
        )  # fmt: skip

    def _database(self) -> DatabaseAddress:
        here: Tls = "off" if _is_here(self.host or "") else "verify-full"
        values = self._values(("host", "database", "user", "port", "ca", "max_rows"))
        return DatabaseAddress(**values, tls=self.tls or here, timeout_s=self.timeout or DEFAULT_TIMEOUT_S)

    def _values(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def _is_here(host: str) -> bool:
    """Whether a server is on this machine, as far as its name tells."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
