"""A connection that a source is read over, permitted and with its secrets, and what was read over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from falaj.config.connections import ConnectionSpec, connection_of
from falaj.config.spec import SourceSpec
from falaj.core.egress import EgressRules
from falaj.core.json_record import JsonRecord

_WHERE_THE_FILE_SAYS = EgressRules(loopback=True, any_private=True)
"""An administrator has named the host, so that it may be private; no name leads to the metadata of a cloud."""


@dataclass(frozen=True)
class OpenConnection:
    """A connection with what it proves itself by; kept in memory for one reading.

    Attributes:
        spec: The connection.
        secrets: Its secrets by what they are for.
        versions: Of those that a store keeps: which version, for the evidence.
        egress: Where it may lead.
    """

    spec: ConnectionSpec
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)
    egress: EgressRules = _WHERE_THE_FILE_SAYS


ConnectionOpener = Callable[[SourceSpec], OpenConnection | None]
"""Gives the connection of a source, after it was permitted; None for a source that needs none."""


def no_connections(source: SourceSpec) -> OpenConnection | None:
    """What holds where no platform file names any.

    Raises:
        UnknownConnectionError: The source names one.
    """
    connection_of(source, {})
    return None


@dataclass(frozen=True)
class TableReading(JsonRecord):
    """What a snapshot of another system's table was read from; goes into the evidence.

    Attributes:
        kind: What the other system is, such as `postgres`.
        address: Where the table or database is, without credentials.
        version: Version or snapshot that was read; empty where the system has none.
        query: Digest of the query; empty where none was asked.
        rows: How many.
        columns: Type by column, as Arrow names it.
        secrets: Versions of the secrets of a store that it was read by, by what they are for.
    """

    kind: str
    address: str
    version: str
    query: str
    rows: int
    columns: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
