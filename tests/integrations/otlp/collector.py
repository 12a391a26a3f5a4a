"""A collector on loopback that reads what it is sent with OpenTelemetry's own schema."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What came in.

    Attributes:
        url: Where it listens.
        statuses: What it answers to the next requests; 200 after them.
        requests: What was sent and taken.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        """All spans, in order."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def take(self, body: bytes) -> int:
        """Answer one request."""
        self.times.append(time.monotonic())
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.requests.append(read(json.loads(body)))
        return status


def read(document: Any) -> ExportTraceServiceRequest:
    """Parse strictly: a field that the schema does not have is an error."""
    trace_request = json_format.ParseDict(_with_base64(document), ExportTraceServiceRequest())
    assert isinstance(trace_request, ExportTraceServiceRequest)
    return trace_request


def attributes(span: Any) -> dict[str, Any]:
    """The attributes of a span as values of Python."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@contextmanager
def collecting(*statuses: int) -> Iterator[Collector]:
    """A collector that answers so first."""
    collector = Collector(statuses=list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces" and self.headers["content-type"] == "application/json"
            status = collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


@contextmanager
def running(*loops: Callable[[threading.Event], None]) -> Iterator[None]:
    """Loops in threads; they have ended when the block has."""
    stopping = threading.Event()
    threads = [threading.Thread(target=loop, args=(stopping,)) for loop in loops]
    for thread in threads:
        thread.start()
    yield
    stopping.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def _with_base64(value: Any) -> Any:
    """OTLP writes ids in hex where JSON of protocol buffers has base64."""
    if isinstance(value, dict):
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64encode(bytes.fromhex(each)).decode() if key in ids else _with_base64(each)
            for key, each in value.items()
        }
    return [_with_base64(each) for each in value] if isinstance(value, list) else value
