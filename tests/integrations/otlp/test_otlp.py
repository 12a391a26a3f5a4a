from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.integrations.otlp import (
    SETTING,
    Exporter,
    OtlpUrlError,
    Span,
    SpanKind,
    document,
    exporter_of,
    exporting,
    span_id_of,
    trace_id_of,
    traceparent,
)
from tests.integrations.otlp.collector import attributes, collecting, read, running
from tests.waiting import until

TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(number: int = 1, **others: object) -> Span:
    span_fields = {"trace_id": TRACE, "span_id": f"{number:016x}", "name": "predict", "start_s": 1.5, "end_s": 1.75}
    return Span(**{**span_fields, **others})  # type: ignore[arg-type]


def test_a_span_is_read_by_the_schema_of_open_telemetry() -> None:
    span_attributes = {"text": "é", "count": 3, "share": 0.5, "yes": True, "no": None}
    sample_span = span(
        parent_id="b7ad6b7169203331", kind=SpanKind.SERVER, attributes=span_attributes, error="HTTP 503 UF"
    )
    trace_request = read(document([sample_span], {"service.name": "falaj"}))
    (resource,) = trace_request.resource_spans
    assert resource.resource.attributes[0].value.string_value == "falaj"
    (exported_span,) = resource.scope_spans[0].spans
    assert (exported_span.trace_id.hex(), exported_span.span_id.hex(), exported_span.parent_span_id.hex()) == (
        TRACE,
        f"{1:016x}",
        sample_span.parent_id,
    )
    assert (exported_span.start_time_unix_nano, exported_span.end_time_unix_nano) == (1_500_000_000, 1_750_000_000)
    assert attributes(exported_span) == {"text": "é", "count": 3, "share": 0.5, "yes": True}
    assert (exported_span.kind, exported_span.status.code, exported_span.status.message) == (
        SpanKind.SERVER,
        2,
        "HTTP 503 UF",
    )


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 4e9), st.floats(0, 4e9), st.text(), st.integers(-(2**60), 2**60))
def test_any_span_is_readable_and_ends_no_earlier_than_it_begins(a: float, b: float, text: str, count: int) -> None:
    text = text.encode(errors="ignore").decode()
    sample_span = span(start_s=a, end_s=b, attributes={"a": text, "b": count}, error=text)
    (exported_span,) = read(document([sample_span], {})).resource_spans[0].scope_spans[0].spans
    assert exported_span.end_time_unix_nano >= exported_span.start_time_unix_nano >= 0


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", True),
        (f"00-{TRACE}-b7ad6b7169203331-00", False),
        (f"cc-{TRACE}-b7ad6b7169203331-03-x", True),
    ],
)  # fmt: skip
def test_the_callers_trace_is_read(header: str, sampled: bool) -> None:
    trace_context = traceparent(header)
    assert trace_context is not None and (trace_context.trace_id, trace_context.sampled) == (TRACE, sampled)


@pytest.mark.parametrize(
    "header",
    [None, "", "x", f"00-{TRACE.upper()}-b7ad6b7169203331-01", f"ff-{TRACE}-b7ad6b7169203331-01",
     f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-b7ad6b7169203331"],
)  # fmt: skip
def test_what_says_nothing_is_no_trace(header: str | None) -> None:
    assert traceparent(header) is None


def test_ids_come_of_what_they_name() -> None:
    assert trace_id_of("0af76519-16cd-43dd-8448-eb211c80319c") == TRACE
    assert trace_id_of("run 1") == trace_id_of("run 1") != trace_id_of("run 2") and len(trace_id_of("run 1")) == 32
    assert span_id_of(TRACE, "a") != span_id_of(TRACE, "b") and len(span_id_of(TRACE, "a")) == 16


@pytest.mark.integration
def test_spans_are_sent_in_batches_and_what_is_left_at_the_end() -> None:
    with collecting() as collector:
        exporter = Exporter(collector.url, {"service.name": "x"}, every_s=0.05)
        with running(exporter.run):
            exporter.offer(span(number) for number in range(1, 601))
            until(lambda: len(collector.spans) == 600)
            exporter.offer([span(601)])
        assert [len(each.resource_spans[0].scope_spans[0].spans) for each in collector.requests] == [512, 88, 1]
        assert (exporter.sent_spans, exporter.dropped) == (601, 0)


@pytest.mark.integration
def test_a_collector_that_is_away_gets_them_later_and_in_order() -> None:
    with collecting(503, 429) as collector:
        exporter = Exporter(collector.url, {}, every_s=0.01)
        exporter.offer([span(1), span(2)])
        with running(exporter.run):
            until(lambda: len(collector.spans) == 2)
        assert [each.span_id.hex()[-1] for each in collector.spans] == ["1", "2"]
        gaps = [after - before for before, after in zip(collector.times, collector.times[1:], strict=False)]
        assert gaps[0] >= 1.0 and gaps[1] >= 2.0, "it waits longer from time to time"


@pytest.mark.integration
def test_what_is_refused_for_good_is_not_sent_again() -> None:
    with collecting(400) as collector:
        exporter = Exporter(collector.url, {}, every_s=0.01)
        exporter.offer([span(1)])
        with running(exporter.run):
            until(lambda: exporter.dropped == 1)
            exporter.offer([span(2)])
            until(lambda: len(collector.spans) == 1)
        assert collector.spans[0].span_id.hex()[-1] == "2"


def test_offering_never_waits_and_the_queue_is_bounded() -> None:
    exporter = Exporter("http://127.0.0.1:9", {}, every_s=0.01)  # nobody is there
    spans = [span(number + 1) for number in range(exporting.MOST_WAITING)]
    for _ in range(3):
        exporter.offer(spans)  # nothing runs that would take them
    assert exporter.dropped >= 2 * exporting.MOST_WAITING and exporter.sent_spans == 0


@pytest.mark.parametrize("url", ["collector:4318", "ftp://x", "http://", "/v1"])
def test_a_setting_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(OtlpUrlError, match=SETTING):
        exporter_of({SETTING: url}, "x")


def test_it_is_off_by_default() -> None:
    assert exporter_of({}, "x") is None and exporter_of({SETTING: " "}, "x") is None
