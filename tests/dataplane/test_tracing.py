"""Traces of predictions: of lines of the access log, and of a real Envoy before a real model server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from falaj.dataplane.access_log import Access, AccessLog
from falaj.dataplane.agent.tracing import chosen, spans_of, trace_requests
from falaj.dataplane.desired_state import EndpointState
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.integrations.otlp import Exporter, SpanKind
from tests.dataplane.conftest import ask, free_port, servable
from tests.dataplane.constant_model import make_model
from tests.dataplane.test_traffic_of_model_servers import BODY
from tests.integrations.otlp.collector import attributes, collecting, running
from tests.waiting import HANGS_AFTER_S, until

ID = "0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ACCESS = Access(
    100.0, ID, 200, latency_us=5_000, attempts=1, endpoint="dev/m", release=1, answered=1,
    asked_us=1_000, replied_us=4_000,
)  # fmt: skip


def test_a_request_is_the_gateways_span_and_the_replicas_in_it() -> None:
    gateway, replica = spans_of(ACCESS)
    assert gateway.trace_id == replica.trace_id == ID.replace("-", "")
    assert (gateway.parent_id, replica.parent_id) == ("", gateway.span_id)
    assert (gateway.start_s, gateway.end_s) == (100.0, 100.005)
    assert (replica.start_s, replica.end_s) == (100.001, 100.004)
    assert (gateway.kind, replica.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert gateway.attributes["falaj.request_id"] == ID and gateway.error is None


def test_it_continues_the_trace_of_the_caller() -> None:
    gateway, _ = spans_of(replace(ACCESS, traceparent=f"00-{TRACE}-{PARENT}-01"))
    assert (gateway.trace_id, gateway.parent_id) == (TRACE, PARENT)
    assert spans_of(replace(ACCESS, traceparent=f"00-{TRACE}-{PARENT}-00")) == []


def test_what_no_replica_saw_has_one_span_and_says_what_failed() -> None:
    (gateway,) = spans_of(replace(ACCESS, status=503, flags="UF", asked_us=None, replied_us=None))
    assert gateway.error == "HTTP 503 UF"
    assert spans_of(replace(ACCESS, latency_us=None)) == spans_of(replace(ACCESS, request_id=None)) == []


def test_of_many_requests_some_are_traced_whatever_their_order() -> None:
    many = [replace(ACCESS, request_id=f"id-{number}") for number in range(100)]
    some = chosen(many, 10)
    assert len(some) == 10
    assert {each.request_id for each in chosen(many[::-1], 10)} == {each.request_id for each in some}
    assert chosen(many[:5], 10) == many[:5]


@pytest.mark.e2e
def test_a_prediction_through_envoy_is_traced(place: LocationFolders, tmp_path: Path) -> None:
    runtime = ProcessRuntime(place, port=free_port())
    servables = [replace(servable(1), model_dir=make_model(tmp_path / "model", 1))]
    try:
        assert runtime.settle(servables, timeout_s=HANGS_AFTER_S)[0].state is EndpointState.READY
        log = AccessLog(place.layout.access_log)
        with collecting() as collector:
            exporter = Exporter(collector.url, {"service.name": "falaj-gateway"}, every_s=0.05)
            with running(*trace_requests(log, exporter, look_s=0.05)):
                path, caller = "/dev/m/v2/models/m/infer", {"traceparent": f"00-{TRACE}-{PARENT}-01"}
                status, response_headers, _ = ask(runtime.gateway.port, path, "POST", BODY, caller)
                assert status == 200
                until(lambda: len(collector.spans) >= 2)
        gateway, replica = collector.spans
        assert (gateway.trace_id.hex(), gateway.parent_span_id.hex()) == (TRACE, PARENT)
        assert replica.parent_span_id == gateway.span_id and replica.trace_id == gateway.trace_id
        assert attributes(gateway)["falaj.request_id"] == response_headers["x-request-id"]
        assert gateway.start_time_unix_nano <= replica.start_time_unix_nano
        assert replica.start_time_unix_nano < replica.end_time_unix_nano <= gateway.end_time_unix_nano + 1_000_000
    finally:
        runtime.stop()
