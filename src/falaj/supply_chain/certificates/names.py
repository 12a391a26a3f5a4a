"""Names of workloads: `spiffe://<trust domain>/<part>[/<name>]` (pure).

Source: The SPIFFE Identity and Verifiable Identity Document, sections 2 and 3.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from falaj.core.principal import Principal, PrincipalKind

_TRUST_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?")
_SCHEME = "spiffe://"


class WorkloadKind(StrEnum):
    """What sort of process it is."""

    SERVER = "server"
    AGENT = "agent"
    WORKER = "worker"
    EXECUTOR = "executor"
    """A machine elsewhere that carries out steps; it is not the worker, which conducts runs."""


@dataclass(frozen=True)
class Workload:
    """A process of an installation.

    Args:
        trust_domain: The installation; lower-case letters, digits, dots, dashes.
        part: What sort of process it is.
        name: The location of an agent, the name of a worker or of a machine of an executor; empty for the server.

    Raises:
        ValueError: A name that cannot stand in a URI as it is, or one too many or too few.
    """

    trust_domain: str
    part: WorkloadKind
    name: str = ""

    def __post_init__(self) -> None:
        if not _TRUST_DOMAIN.fullmatch(self.trust_domain):
            raise ValueError(f"{self.trust_domain!r} is not a trust domain")
        if self.part is WorkloadKind.SERVER:
            if self.name:
                raise ValueError("the server has no other name")
        elif not _NAME.fullmatch(self.name) or ".." in self.name:
            raise ValueError(f"{self.name!r} is not a name (lower-case letters, digits, - _ .)")

    @property
    def uri(self) -> str:
        """As certificates say it."""
        return f"{_SCHEME}{self.trust_domain}/{self.part}" + (f"/{self.name}" if self.name else "")

    @property
    def dns_name(self) -> str:
        """The name that clients check with the usual rules of TLS; the server's certificate alone carries it."""
        return f"{self.part}.{self.trust_domain}"

    def principal(self, authenticated_at: float) -> Principal:
        """The actor that policy judges.

        Args:
            authenticated_at: Unix seconds; when its certificate was issued.
        """
        location = self.name if self.part is WorkloadKind.AGENT else None
        name = f"{self.part}/{self.name}" if self.name else str(self.part)
        kind = PrincipalKind.WORKLOAD
        return Principal(f"workload:{name}", kind, location=location, authenticated_at=authenticated_at)


def caller_uri(trust_domain: str, caller: str) -> str:
    """The name in the certificate of a caller of endpoints, who is no workload.

    Args:
        trust_domain: The installation.
        caller: Its pseudonym.
    """
    return f"{_SCHEME}{trust_domain}/caller/{caller}"


def own_caller(endpoint: str) -> str:
    """The pseudonym of the installation's own people at an endpoint; another one at each."""
    return "local-" + hashlib.sha256(endpoint.encode()).hexdigest()[:12]


def parse_uri(uri: str) -> Workload:
    """Read a name; only what `Workload.uri` writes is one.

    Raises:
        ValueError: It is none.
    """
    trust_domain, _, path = uri.removeprefix(_SCHEME).partition("/")
    part, _, name = path.partition("/")
    if part not in set(WorkloadKind):
        raise ValueError(f"{uri!r} is not the name of a workload")
    workload = Workload(trust_domain, WorkloadKind(part), name)
    if workload.uri != uri:
        raise ValueError(f"{uri!r} is not the name of a workload")
    return workload
