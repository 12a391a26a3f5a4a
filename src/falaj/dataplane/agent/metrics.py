"""One page for Prometheus of all that a location serves: its replicas and its gateway, on a loopback port.

Replicas and Envoy tell their counts on Unix sockets, which no scraper reads and of which there are more or fewer from
one hour to the next. Whoever scrapes needs one address a machine; this is it. The page is made at each scrape, so an
agent that starts again loses nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.core.ids import parse_number
from falaj.dataplane.runtimes.process.envoy import stats
from falaj.dataplane.runtimes.process.replica import Replica, ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders
from falaj.dataplane.runtimes.process.unix_http import request
from falaj.integrations.prometheus import (
    CONTENT_TYPE,
    ExpositionError,
    Family,
    FamilyKind,
    Sample,
    labelled,
    merged,
    parse,
    render,
)

SETTING = "FALAJ_METRICS_PORT"
MOST_REPLICAS = 200
"""Replicas that are asked; a machine that runs more tells of the first so many."""
_ASK_S = 1.0
_LOOK_S = 0.5
_CLIENT_S = 5.0
_RETRY_S = 5.0
_AT_ONCE = 8
_HOSTS = frozenset({"127.0.0.1", "localhost"})

_log = logging.getLogger(__name__)


class MetricsPortError(UsageError):
    """The setting names no port."""

    code = "location.metrics-port"


def metrics_port(home: Home) -> int | None:
    """The port that the setting names; None when there is to be no page.

    Raises:
        MetricsPortError: It names none.
    """
    port_text = home.settings.get(SETTING, "").strip()
    if not port_text or port_text == "0":
        return None
    port = parse_number(port_text)
    if port is None or not 0 < port < 65_536:
        raise MetricsPortError(f"{SETTING} is not a port: {port_text!r}", where=SETTING)
    return port


def page(place: LocationFolders) -> str:
    """What a scrape reads: each replica's counts labelled with the replica, and the gateway's."""
    replicas = [each for each in ReplicaRecords(place.folder / "replicas") if each.process][:MOST_REPLICAS]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        gateway_future = pool.submit(_families, place.layout.admin_socket, stats.TARGET, stats.families)
        scraped = list(pool.map(lambda replica: _families(Path(replica.slot.socket), "/metrics", parse), replicas))
    pages = [
        labelled(metric_families, {"replica": _name(each)})
        for each, metric_families in zip(replicas, scraped, strict=True)
        if metric_families
    ]
    gateway = gateway_future.result()
    answers = Sample({}, float(gateway is not None))
    up = [_up(replicas, scraped), _gauge("falaj_gateway_up", "1 when Envoy tells its statistics.", [answers])]
    return render(labelled(merged([up, *pages, gateway or ()]), {"location": place.folder.name}))


def serve_metrics(place: LocationFolders, port: int) -> Callable[[threading.Event], None]:
    """What an agent does beside everything else: answer `GET /metrics` on 127.0.0.1, one scrape after another.

    Args:
        place: The location.
        port: A port that another program holds is tried again; serving does not wait for it.

    Returns:
        Runs until it is told to stop.
    """

    def run(stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                with _MetricsServer(("127.0.0.1", port), _handler(place)) as server:
                    while not stopping.is_set():
                        server.handle_request()
            except OSError as error:
                _log.warning("metrics.waiting port=%d reason=%s", port, error)
                stopping.wait(_RETRY_S)

    return run


class _MetricsServer(HTTPServer):
    timeout = _LOOK_S

    def handle_error(self, *_: object) -> None:
        """A scraper that hangs up is no error of the agent."""


def _handler(place: LocationFolders) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_S

        def do_GET(self) -> None:
            host = self.headers.get("host", "").rpartition(":")[0] or self.headers.get("host", "")
            if self.path.partition("?")[0] != "/metrics" or host not in _HOSTS:  # a browser's page must not read it
                self.send_error(404)
                return
            body = page(place).encode(errors="replace")
            self.send_response(200)
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are no events."""

    return Handler


def _families(socket: Path, target: str, read: Callable[[str], list[Family]]) -> list[Family] | None:
    try:
        status, body = request(socket, target, timeout_s=_ASK_S)
        return read(body.decode(errors="replace")) if status == 200 else None
    except (OSError, ExpositionError) as error:
        _log.info("metrics.unanswered socket=%s reason=%s", socket, error)
        return None


def _up(replicas: Sequence[Replica], scraped: Sequence[list[Family] | None]) -> Family:
    samples = [
        Sample(
            {"release": each.slot.release, "endpoint": each.slot.endpoint, "replica": _name(each)},
            float(bool(metric_families)),
        )
        for each, metric_families in zip(replicas, scraped, strict=True)
    ]
    return _gauge("falaj_replica_up", "1 when the replica tells its counts.", samples)


def _gauge(name: str, text: str, samples: Sequence[Sample]) -> Family:
    return Family(name, FamilyKind.GAUGE, text, tuple(samples))


def _name(replica: Replica) -> str:
    """Which of the replicas of a release: the same after its process was started again."""
    return f"{replica.slot.arm.rpartition('.')[2]}.{replica.slot.index}"
