"""Envoy's admin interface, as far as the runtime asks it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falaj.dataplane.errors import GatewayError
from falaj.dataplane.runtimes.process.envoy.config import DOOR, ROUTES, SECRETS
from falaj.dataplane.runtimes.process.unix_http import request

_PREFIX = {
    "clusters": "cluster_manager.cds",
    **{file: f"http.{name}.rds.{name}" for name, file in ROUTES.items()},
    SECRETS: f"sds.{DOOR}",
    "listeners": "listener_manager.lds",
}

_FAILURES = ("upstream_rq_4xx", "upstream_rq_5xx")
_NOT_SENT = "upstream_rq_pending_overflow"
"""Requests that a breaker kept from a cluster: Envoy answers them itself and counts that among the cluster's 5xx."""


@dataclass(frozen=True)
class Accepted:
    """What Envoy did with one kind of resource since it started.

    Args:
        version: The version in force; empty before the first.
        refused: How many files it refused, as unreadable or as invalid.
    """

    version: str
    refused: int


class EnvoyAdmin:
    """Asks one Envoy over its Unix socket.

    Args:
        socket: The admin socket.
        timeout_s: For every question.
    """

    def __init__(self, socket: Path, *, timeout_s: float = 5.0) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    def is_live(self) -> bool:
        """Whether Envoy is initialised and takes requests."""
        try:
            status, _ = request(self._socket, "/ready", timeout_s=self._timeout_s)
        except OSError:
            return False
        return status == 200

    def accepted(self, kind: str) -> Accepted:
        """Version and counters of `clusters`, `listeners`, `secrets`, `routes` or `door-routes`.

        Raises:
            GatewayError: Envoy does not answer.
        """
        prefix = _PREFIX[kind]
        names = "|".join(("version_text", "update_rejected", "update_failure"))
        text = self._get(f"/stats?filter=^{prefix}%5C.({names})$").decode()
        values = dict(line.removeprefix(f"{prefix}.").split(": ", 1) for line in text.splitlines() if line)
        return Accepted(
            values.get("version_text", '""').strip('"'),
            int(values.get("update_rejected", 0)) + int(values.get("update_failure", 0)),
        )

    def hosts(self) -> dict[str, frozenset[str]]:
        """The sockets in each cluster that can be routed to now.

        Raises:
            GatewayError: Envoy does not answer.
        """
        host_paths: dict[str, frozenset[str]] = {}
        for cluster in json.loads(self._get("/clusters?format=json")).get("cluster_statuses", ()):
            hosts = cluster.get("host_statuses", ())
            host_paths[cluster["name"]] = frozenset(host["address"]["pipe"]["path"] for host in hosts)
        return host_paths

    def in_flight(self, cluster: str) -> int:
        """How many requests a cluster works on now.

        Raises:
            GatewayError: Envoy does not answer.
        """
        return self._counters(cluster, ("upstream_rq_active",)).get("upstream_rq_active", 0)

    def load(self, cluster: str) -> tuple[int, int]:
        """How many requests a cluster works on now, and how many it has answered since Envoy started.

        Raises:
            GatewayError: Envoy does not answer.
        """
        counts = Counter(self._counters(cluster, ("upstream_rq_active", "upstream_rq_completed")))
        return counts["upstream_rq_active"], counts["upstream_rq_completed"]

    def answered(self, cluster: str) -> tuple[int, int]:
        """How many requests a cluster was to get since Envoy started, and how many of them it failed.

        Those that were not sent, since enough others were on their way, are no failures of the cluster. A request that
        is not sent is counted in two places one after the other: read in between, the second number is one too low.

        Raises:
            GatewayError: Envoy does not answer.
        """
        counts = Counter(self._counters(cluster, ("upstream_rq_completed", *_FAILURES, _NOT_SENT)))
        failures = sum(counts[each] for each in _FAILURES)
        return counts["upstream_rq_completed"], failures - counts[_NOT_SENT]

    def _counters(self, cluster: str, names: Sequence[str]) -> dict[str, int]:
        name = re.escape(cluster).replace("\\", "%5C").replace("/", "%2F")
        text = self._get(f"/stats?filter=^cluster%5C.{name}%5C.({'|'.join(names)})$").decode()
        lines = (line.rpartition(".")[2].partition(": ") for line in text.splitlines())
        return {counter: int(value) for counter, _, value in lines}

    def listening(self) -> frozenset[str]:
        """Addresses that are listened on, such as `127.0.0.1:8480`.

        Raises:
            GatewayError: Envoy does not answer.
        """
        text = self._get("/listeners?format=text").decode()
        return frozenset(line.rpartition("::")[2].strip() for line in text.splitlines())

    def listener_failures(self) -> int:
        """How many listeners could not be opened, usually because the port is taken."""
        text = self._get("/stats?filter=^listener_manager%5C.listener_create_failure$").decode()
        return int(text.rpartition(": ")[2] or 0)

    def reopen_logs(self) -> None:
        """Have the access log opened anew by its name, after it was renamed.

        Raises:
            GatewayError: Envoy does not answer.
        """
        self._get("/reopen_logs", method="POST")

    def _get(self, target: str, *, method: str = "GET") -> bytes:
        try:
            status, body = request(self._socket, target, timeout_s=self._timeout_s, method=method)
        except OSError as error:
            raise GatewayError(f"Envoy does not answer: {error}", where=str(self._socket)) from error
        if status != 200:
            raise GatewayError(f"Envoy answered {status} to {target}", where=str(self._socket))
        return body
