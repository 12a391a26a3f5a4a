"""OpenTelemetry traces, sent as OTLP over HTTP in JSON, without an SDK.

Spans are made of what is written down anyway, after the fact, so nobody who asks for a prediction waits for a trace.
They are sent in batches by one thread with a bounded queue; what does not fit is dropped and counted.
"""

from falaj.integrations.otlp.exporting import SETTING, Exporter, OtlpUrlError, exporter_of
from falaj.integrations.otlp.spans import (
    Span,
    SpanKind,
    Traceparent,
    Value,
    document,
    span_id_of,
    trace_id_of,
    traceparent,
)

__all__ = [
    "SETTING",
    "Exporter",
    "OtlpUrlError",
    "Span",
    "SpanKind",
    "Traceparent",
    "Value",
    "document",
    "exporter_of",
    "span_id_of",
    "trace_id_of",
    "traceparent",
]
