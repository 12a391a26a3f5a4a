"""Spans, and how OTLP writes them in JSON (pure).

Ids are digests of what a span is of, so that one that is sent twice is one span.

Sources: OpenTelemetry Protocol 1, "OTLP/HTTP" with JSON encoding (ids in hex, 64-bit numbers as text); W3C Trace
Context, level 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import Any
from uuid import UUID

Value = str | int | float | bool
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ERROR = 2
_LONGEST = 500


class SpanKind(IntEnum):
    """Which side of a call a span is of, numbered as OTLP does."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


@dataclass(frozen=True)
class Span:
    """Something that took time.

    Args:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        name: Few different ones; what differs from span to span is an attribute.
        start_s: Unix seconds.
        end_s: Unix seconds.
        parent_id: Of the span that it is a part of; empty for the first of a trace.
        kind: Which side of a call.
        attributes: What is known of it.
        error: Why it failed; None when it did not.
    """

    trace_id: str
    span_id: str
    name: str
    start_s: float
    end_s: float
    parent_id: str = ""
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Value | None] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Traceparent:
    """What a caller says of the trace that its request is part of.

    Args:
        trace_id: 32 hex digits.
        parent_id: The caller's span, 16 hex digits.
        sampled: Whether the caller records the trace.
    """

    trace_id: str
    parent_id: str
    sampled: bool


def traceparent(header: str | None) -> Traceparent | None:
    """Read the header of this name; None when there is none, or it says nothing."""
    header_match = _TRACEPARENT.fullmatch(header or "")
    if header_match is None or not int(header_match[1], 16) or not int(header_match[2], 16):
        return None
    return Traceparent(header_match[1], header_match[2], bool(int(header_match[3], 16) & 1))


def trace_id_of(name: str) -> str:
    """The trace of something with a name: a UUID is its own."""
    try:
        return UUID(name).hex
    except ValueError:
        return blake2b(name.encode(), digest_size=16).hexdigest()


def span_id_of(trace_id: str, name: str) -> str:
    """The span of a part of a trace."""
    return blake2b(f"{trace_id} {name}".encode(), digest_size=8).hexdigest()


def document(spans: Iterable[Span], resource: Mapping[str, Value]) -> dict[str, Any]:
    """An ExportTraceServiceRequest in JSON.

    Args:
        spans: What is sent.
        resource: What made them, such as `service.name`.
    """
    scope = {"scope": {"name": "falaj"}, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}


def _span(span: Span) -> dict[str, Any]:
    status = {} if span.error is None else {"code": _ERROR, "message": span.error[:_LONGEST]}
    parent = {"parentSpanId": span.parent_id} if span.parent_id else {}
    return {
        "traceId": span.trace_id, "spanId": span.span_id, **parent, "name": span.name, "kind": int(span.kind),
        "startTimeUnixNano": _nanoseconds(span.start_s),
        "endTimeUnixNano": _nanoseconds(max(span.start_s, span.end_s)),
        "attributes": _attributes(span.attributes), "status": status,
    }  # fmt: skip


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1e6) * 1000)  # a float of seconds knows microseconds, not more


def _attributes(attributes: Mapping[str, Value | None]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items() if value is not None]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": value[:_LONGEST]}
