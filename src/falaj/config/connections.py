"""Other systems that data is read from, as the platform file names them; only the standard library is imported here.

FalajError
├── UnknownConnectionError      connection.unknown
├── ConnectionForbiddenError    connection.forbidden, connection.jurisdiction
└── ConnectionSecretError       connection.secret-missing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from falaj.config.errors import nearest
from falaj.config.spec import SourceSpec
from falaj.core.errors import FalajError, UsageError

ConnectionKind = Literal["s3", "postgres", "folder"]
Tls = Literal["verify-full", "require", "off"]

SCHEMES: Mapping[str, tuple[ConnectionKind, ...]] = {
    "sql": ("postgres",), "s3": ("s3",), "delta": ("s3", "folder"), "iceberg": ("s3", "folder"),
}  # fmt: skip
"""What a source of a scheme can be read from."""
SECRETS: Mapping[ConnectionKind, tuple[str, ...]] = {
    "s3": ("key", "secret"), "postgres": ("password",), "folder": (),
}  # fmt: skip
"""What a connection of a kind proves itself by."""
UNKNOWN_JURISDICTION = "ZZ"
DEFAULT_TIMEOUT_S = 600.0
DEFAULT_MAX_ROWS = 50_000_000


class UnknownConnectionError(UsageError):
    """The platform file has no connection of that name, or one of another kind."""

    code = "connection.unknown"


class ConnectionForbiddenError(FalajError):
    """The platform file does not let this project, or data of this jurisdiction, be read over the connection."""

    code, status, exit_code = "connection.forbidden", 403, 7


class ConnectionSecretError(UsageError):
    """A secret that the connection names is not set."""

    code = "connection.secret-missing"


@dataclass(frozen=True)
class BucketAddress:
    """A bucket and where it is asked for.

    Attributes:
        bucket: Its name.
        region: Its region.
        endpoint: The server, where it is not the one of AWS.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str = ""


@dataclass(frozen=True)
class DatabaseAddress:
    """A database and as whom it is asked.

    Attributes:
        host: Name or address of the server, or the folder of its socket.
        database: Name of the database.
        user: As whom.
        port: TCP port.
        tls: How the server is verified.
        ca: File with the authorities that vouch for it; empty for those of the machine.
        timeout_s: A query that takes longer is ended.
        max_rows: A query that gives more is refused.
    """

    host: str
    database: str
    user: str
    port: int = 5432
    tls: Tls = "verify-full"
    ca: str = ""
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_rows: int = DEFAULT_MAX_ROWS


@dataclass(frozen=True)
class ConnectionSpec:
    """Another system that data is read from.

    Attributes:
        name: What sources call it.
        kind: What it is; one of the addresses below goes with it.
        jurisdiction: ISO 3166 code of the law that its data is under.
        projects: Which projects may read from it; empty for all.
        secrets: Names of the platform's secrets by what they are for.
        bucket: Of an S3 connection.
        database: Of a database.
        folder: Of tables in a folder of the machine.
    """

    name: str
    kind: ConnectionKind
    jurisdiction: str
    projects: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    bucket: BucketAddress | None = None
    database: DatabaseAddress | None = None
    folder: str = ""


def connection_name(url: str) -> str:
    """The connection that a URL may name: what stands where others have a host."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


def connection_of(source: SourceSpec, connections: Mapping[str, ConnectionSpec]) -> ConnectionSpec | None:
    """The connection that a source is read over; None for one that needs none.

    Raises:
        UnknownConnectionError: There is none of that name, or it is of another kind.
    """
    scheme = source.source.partition("://")[0]
    kinds = SCHEMES.get(scheme, ())
    name = connection_name(source.source)
    spec = connections.get(name)
    if not kinds or (scheme == "s3" and spec is None):
        return None  # a bucket may also be named by itself
    if spec is None:
        near = nearest(name, connections)
        hint = f"did you mean `{near}`?" if near else "`connections:` of the platform file names them"
        raise UnknownConnectionError(f"there is no connection `{name}`", where=f"data.{source.name}", hint=hint)
    if spec.kind not in kinds:
        raise UnknownConnectionError(
            f"the connection `{name}` is of kind {spec.kind}, and {scheme}:// is read from {' or '.join(kinds)}",
            where=f"data.{source.name}",
            hint="name another connection, or another scheme",
        )
    return spec


def require_permitted(connection: ConnectionSpec, source: SourceSpec, project: str | None, home: str) -> None:
    """Refuse what the platform file does not permit, before anything is asked of the other system.

    Args:
        connection: Over which it is to be read.
        source: What is to be read, with its labels.
        project: For which project; None for a run of a checkout, whose owner has the secrets anyway.
        home: ISO 3166 code of where this installation keeps data; `ZZ` where nobody said it.

    Raises:
        ConnectionForbiddenError: `connection.forbidden` for the project, `connection.jurisdiction` for the data.
    """
    where = f"data.{source.name}"
    if project is not None and connection.projects and project not in connection.projects:
        raise ConnectionForbiddenError(
            f"the connection `{connection.name}` is not for the project `{project}`",
            where=where,
            hint="an administrator adds it to `projects` of the connection in the platform file",
        )
    if _country(source.origin) != _country(connection.jurisdiction):
        raise ConnectionForbiddenError(
            f"the source says that its data comes from {source.origin}, and the connection `{connection.name}` is "
            f"under the law of {connection.jurisdiction}",
            where=where,
            hint=f"`origin: {connection.jurisdiction}`, or a connection for data of {source.origin}",
            code="connection.jurisdiction",
        )
    if source.classification != "public" and _country(home) != _country(connection.jurisdiction):
        raise ConnectionForbiddenError(
            f"{source.classification} data under the law of {connection.jurisdiction} would be kept in {_place(home)}",
            where=where,
            hint=f"an installation in {connection.jurisdiction} reads it; FALAJ_JURISDICTION says where one is",
            code="connection.jurisdiction",
        )


def _country(code: str) -> str:
    return code.partition("-")[0]


def _place(home: str) -> str:
    return "a jurisdiction that nobody has named" if home == UNKNOWN_JURISDICTION else home
