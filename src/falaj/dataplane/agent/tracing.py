"""Traces of predictions, made of the gateway's access log: the gateway's span, and in it that of the replica.

The trace is that of the caller where it sent `traceparent`, else one of the request's own id, which the prediction log,
the labels and the answer carry as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

from falaj.dataplane.access_log import Access, AccessLog
from falaj.integrations.otlp import Exporter, Span, SpanKind, span_id_of, trace_id_of, traceparent

MOST_A_SECOND = 200
"""Requests that are traced; of more, so many by chance."""
_READ_AT_ONCE = 20_000
_LOOK_S = 1.0


def spans_of(access: Access) -> list[Span]:
    """The spans of one request; none when the caller does not record its trace, or it was no HTTP."""
    if access.request_id is None or access.latency_us is None:
        return []
    caller = traceparent(access.traceparent)
    if caller is not None and not caller.sampled:
        return []
    trace = caller.trace_id if caller else trace_id_of(access.request_id)
    gateway = Span(
        trace, span_id_of(trace, f"{access.request_id} gateway"), "predict",
        access.at, access.at + access.latency_us / 1e6, caller.parent_id if caller else "", SpanKind.SERVER,
        _attributes(access), _failure(access),
    )  # fmt: skip
    return [gateway, *_replica(access, gateway)]


def chosen(accesses: Iterable[Access], most: int) -> list[Access]:
    """At most so many of some requests: by a digest of their ids, so that it depends on nothing else of them."""
    traced = [each for each in accesses if each.request_id is not None]
    if len(traced) <= most:
        return traced
    return sorted(traced, key=lambda each: blake2b(str(each.request_id).encode(), digest_size=8).digest())[:most]


def trace_requests(log: AccessLog, exporter: Exporter, look_s: float = _LOOK_S) -> Sequence[Callable[..., None]]:
    """What an agent does beside everything else: follow the access log from its end on, and send what it tells.

    A log that cannot be read costs traces and nothing else.

    Args:
        log: Of the gateway.
        exporter: Where spans go.
        look_s: How often to look, in seconds.
    """

    def follow(stopping: threading.Event) -> None:
        position, since = log.end(), time.monotonic()
        while not stopping.wait(look_s):
            try:
                accesses, position = log.read(position, _READ_AT_ONCE)
            except OSError:
                continue
            now = time.monotonic()
            most = max(1, round(MOST_A_SECOND * (now - since)))
            since = now
            exporter.offer(span for access in chosen(accesses, most) for span in spans_of(access))

    return follow, exporter.run


def _replica(access: Access, gateway: Span) -> list[Span]:
    if access.asked_us is None or access.replied_us is None:
        return []
    begin, end = access.at + access.asked_us / 1e6, access.at + access.replied_us / 1e6
    span = span_id_of(gateway.trace_id, f"{access.request_id} replica")
    attributes = {"falaj.release": access.answered, "falaj.attempts": access.attempts}
    return [
        Span(
            gateway.trace_id,
            span,
            "model server",
            begin,
            end,
            gateway.span_id,
            SpanKind.CLIENT,
            attributes,
            gateway.error,
        )
    ]


def _attributes(access: Access) -> dict[str, str | int | float | bool | None]:
    return {
        "falaj.request_id": access.request_id,
        "falaj.endpoint": access.endpoint,
        "falaj.release": access.answered,
        "falaj.arm": access.arm,
        "http.response.status_code": access.status,
        "falaj.flags": None if access.flags == "-" else access.flags,
    }


def _failure(access: Access) -> str | None:
    return f"HTTP {access.status} {access.flags}" if access.status >= 500 or access.status == 0 else None
