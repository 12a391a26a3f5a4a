"""Counts of one replica in the Prometheus text format, without a client library."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from falaj.dataplane.prediction_log.format import AppliedOffset

LATENCY_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH_BUCKETS_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


class PrometheusHistogram:
    """Counts of values in fixed bins, with their sum.

    Args:
        bounds: Upper bounds, ascending; a last bin takes everything above.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """What a replica counts; every series carries the release and the endpoint.

    Args:
        release: `name@version`.
        endpoint: `environment/model`.
    """

    def __init__(self, release: str, endpoint: str) -> None:
        self._labels = f'release="{_escaped(release)}",endpoint="{_escaped(endpoint)}"'
        self.requests: Counter[str] = Counter()
        self.rows = 0
        self.latency = PrometheusHistogram(LATENCY_BUCKETS_S)
        self.batch = PrometheusHistogram(BATCH_BUCKETS_ROWS)
        self.unlogged = 0
        self.labels = 0

    def finished(self, outcome: str, seconds: float) -> None:
        """Count one answered request.

        Args:
            outcome: `ok`, or the outcome of a request error.
            seconds: From the first byte of the body to the answer.
        """
        self.requests[outcome] += 1
        if outcome == "ok":
            self.latency.observe(seconds)

    def computed(self, rows: int) -> None:
        """Count one model call."""
        self.rows += rows
        self.batch.observe(rows)

    def render(self, *, ready: bool, queued_rows: int, in_flight: int) -> str:
        """Return the text that a scrape reads."""
        lines = [*_header("falaj_requests_total", "counter", "Answered requests by outcome.")]
        lines += [
            f'falaj_requests_total{{{self._labels},outcome="{outcome}"}} {count}'
            for outcome, count in sorted(self.requests.items())
        ]
        lines += self._single("falaj_rows_total", "counter", "Rows predicted.", self.rows)
        lines += self._single("falaj_unlogged_total", "counter", "Predictions the log could not hold.", self.unlogged)
        lines += self._single("falaj_labels_total", "counter", "Labels accepted.", self.labels)
        lines += self._single("falaj_queue_rows", "gauge", "Rows waiting or being predicted.", queued_rows)
        lines += self._single("falaj_in_flight", "gauge", "Requests being answered.", in_flight)
        lines += self._single("falaj_ready", "gauge", "1 when the model answers.", int(ready))
        lines += self._histogram("falaj_request_seconds", "Time to answer a request.", self.latency)
        lines += self._histogram("falaj_batch_rows", "Rows of one model call.", self.batch)
        return "\n".join(lines) + "\n"

    def recalibrated(self, applied: AppliedOffset | None, *, believed: bool) -> str:
        """Lines that say by what answers are moved.

        Args:
            applied: What moves them; None when nothing does.
            believed: Whether the file that says so could be read and believed, or there is none.
        """
        offset, version = (applied.offset, applied.version) if applied else (0.0, 0)
        lines = self._single("falaj_recalibration_offset", "gauge", "Offset that moves answers.", offset)
        lines += self._single(
            "falaj_recalibration_version", "gauge", "Version of it; 0 when answers are bare.", version
        )
        lines += self._single("falaj_recalibration_believed", "gauge", "0 when its file is damaged.", int(believed))
        return "\n".join(lines) + "\n"

    def _single(self, name: str, kind: str, text: str, value: float) -> list[str]:
        return [*_header(name, kind, text), f"{name}{{{self._labels}}} {value}"]

    def _histogram(self, name: str, text: str, histogram: PrometheusHistogram) -> list[str]:
        bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
        below = list(accumulate(histogram.counts))
        return [
            *_header(name, "histogram", text),
            *(f'{name}_bucket{{{self._labels},le="{le}"}} {n}' for le, n in zip(bounds, below, strict=True)),
            f"{name}_sum{{{self._labels}}} {histogram.total:.6f}",
            f"{name}_count{{{self._labels}}} {below[-1]}",
        ]


def _header(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
