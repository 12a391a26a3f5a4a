"""Sending spans: a bounded queue that never blocks who offers, and one thread that empties it in batches."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import httpx

from falaj import __version__
from falaj.core.errors import UsageError
from falaj.integrations.otlp.spans import Span, Value, document

SETTING = "FALAJ_OTLP_URL"
MOST_WAITING = 4_096
MOST_AT_ONCE = 512
_EVERY_S = 1.0
_TIMEOUT_S = 5.0
_LONGEST_PAUSE_S = 60.0
_LATER = frozenset({429, 502, 503, 504})
"""Answers after which the same may be sent again, as OTLP says."""

_log = logging.getLogger(__name__)


class OtlpUrlError(UsageError):
    """The setting is no URL of a collector."""

    code = "otlp.url"


class Exporter:
    """Sends spans to one collector.

    Args:
        url: Base URL; `/v1/traces` is added.
        resource: What makes the spans, such as `service.name`.
        every_s: How long spans are gathered, in seconds.
    """

    def __init__(self, url: str, resource: Mapping[str, Value], *, every_s: float = _EVERY_S) -> None:
        self._url = f"{url.rstrip('/')}/v1/traces"
        self._resource = {**resource, "service.version": __version__}
        self._every_s = every_s
        self._waiting: deque[Span] = deque()
        self._lock = threading.Lock()
        self._pause_s = 0.0
        self.dropped = 0
        self.sent_spans = 0

    def offer(self, spans: Iterable[Span]) -> None:
        """Take spans to send; those that do not fit are dropped and counted. Never waits."""
        new_spans = list(spans)
        with self._lock:
            for span in new_spans:
                if len(self._waiting) < MOST_WAITING:
                    self._waiting.append(span)
                else:
                    self.dropped += 1

    def run(self, stopping: threading.Event) -> None:
        """Send until told to stop, and then once more what is left."""
        with httpx.Client(timeout=_TIMEOUT_S) as client:
            while not stopping.wait(self._every_s + self._pause_s):
                while self._send(client) and not stopping.is_set():
                    pass
            self._send(client)

    def _send(self, client: httpx.Client) -> bool:
        """Send one batch; False when there was nothing more to send, or it is not the time."""
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
        if not batch:
            return False
        fate = self._post(client, batch)
        if fate is None:
            self._pause_s = min(_LONGEST_PAUSE_S, max(1.0, 2 * self._pause_s))
            self._put_back(batch)
            return False
        self._pause_s = 0.0
        self.sent_spans += len(batch) if fate else 0
        self.dropped += 0 if fate else len(batch)
        return True

    def _post(self, client: httpx.Client, batch: list[Span]) -> bool | None:
        """True when it was taken, False when it was refused for good, None when it is to be sent again."""
        try:
            status = client.post(self._url, json=document(batch, self._resource)).status_code
        except httpx.HTTPError as error:
            _log.info("otlp.unanswered url=%s reason=%s", self._url, error)
            return None
        if status in _LATER:
            return None
        if status >= 300:
            _log.warning("otlp.refused url=%s status=%d spans=%d", self._url, status, len(batch))
        return status < 300

    def _put_back(self, batch: list[Span]) -> None:
        with self._lock:
            requeued = batch[: MOST_WAITING - len(self._waiting)]
            self._waiting.extendleft(reversed(requeued))
            self.dropped += len(batch) - len(requeued)


def exporter_of(settings: Mapping[str, str], service: str, **resource: Value) -> Exporter | None:
    """The exporter that the setting asks for; None when it is off.

    Args:
        settings: With `FALAJ_OTLP_URL`.
        service: Name of the service that makes the spans.
        resource: More about it; `_` in names stands for a point.

    Raises:
        OtlpUrlError: The setting is no URL (`otlp.url`).
    """
    url = settings.get(SETTING, "").strip()
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OtlpUrlError(
            f"{SETTING} is not a URL of a collector: {url!r}", where=SETTING, hint="http://127.0.0.1:4318"
        )
    more = {name.replace("_", "."): value for name, value in resource.items()}
    return Exporter(url, {"service.name": service, **more})
