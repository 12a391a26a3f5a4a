"""Labels of predictions: checked, and on the disk before the sender hears that they were accepted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Any

import msgspec

from falaj.dataplane.model_server.metrics import Metrics
from falaj.dataplane.prediction_log import LogWriter
from falaj.dataplane.prediction_log.writer import LogUnavailableError
from falaj.models.errors import FeedbackError, FeedbackUnavailableError, LabelError

MOST_LABELS = 10_000
"""Labels of one request; each is a write of its own to nobody's advantage below some hundreds."""
FUTURE_S = 300.0
"""How far a label's time may be ahead of this machine's clock: a clock's fault, but no time zone's."""

_MILLISECONDS = 1e11
_TOO_LARGE = 2**63

_Value = int | float | str | bool


class _Item(msgspec.Struct):
    prediction_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    label: _Value | list[_Value | None]
    at: float | datetime | None = None


class _FeedbackBody(msgspec.Struct):
    labels: Annotated[list[_Item], msgspec.Meta(min_length=1, max_length=MOST_LABELS)]


_decode = msgspec.json.Decoder(_FeedbackBody).decode
_PATH = re.compile(r"^(?P<what>.*) - at `\$(?:\.(?P<member>\w+))?(?:\[(?P<item>\d+)\])?(?:\.(?P<field>\w+))?.*`$")
_MISSING = re.compile(r"missing required field `(?P<field>\w+)`")
_FORM = '{"labels": [{"prediction_id": "...", "label": 1}]}'


class Feedback:
    """Keeps the labels that a replica is sent.

    Args:
        open_log: Opens the log of labels, at the first of them; used by one thread.
        metrics: Where they are counted.
        clock_ns: Unix time in nanoseconds.
    """

    def __init__(self, open_log: Callable[[], LogWriter], metrics: Metrics, clock_ns: Callable[[], int]) -> None:
        self._open_log, self._metrics, self._clock_ns = open_log, metrics, clock_ns
        self._log: LogWriter | None = None
        self._thread = ThreadPoolExecutor(1, "labels")  # waiting for the disk must not stop predictions

    async def keep(self, request_id: str, body: bytes, sender: str = "") -> int:
        """Keep the labels of one request, all or none.

        Args:
            request_id: Of the request that brought them.
            body: JSON.
            sender: Pseudonym of who sends them.

        Returns:
            How many there were.

        Raises:
            FeedbackError: The body is not of the form, naming item and field.
            LabelError: A label cannot be right.
            FeedbackUnavailableError: The disk is full or gone; none was kept.
        """
        now_ns = self._clock_ns()
        items = decode_labels(body, now_ns / 1e9)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, request_id, now_ns, items, sender)
        self._metrics.labels += len(items)
        return len(items)

    def stop(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown()

    def _write(self, request_id: str, now_ns: int, items: list[tuple[str, Any, float | None]], sender: str) -> None:
        try:
            self._log = self._log or self._open_log()
            self._log.write([(request_id, now_ns, items, *([sender] if sender else []))])
        except LogUnavailableError as error:
            raise FeedbackUnavailableError(error.message) from error


def decode_labels(body: bytes, now: float) -> list[tuple[str, Any, float | None]]:
    """Check a request's labels.

    Args:
        body: JSON.
        now: Unix time in seconds.

    Returns:
        Prediction id, label, and when it was known (None where that is not said) of each.

    Raises:
        FeedbackError: The body is not of the form.
        LabelError: An empty list, too large a number, or a time in the future or before 1970.
    """
    try:
        items = _decode(body).labels
    except msgspec.ValidationError as error:
        raise _misformed(str(error)) from error
    except RecursionError as error:
        raise FeedbackError(f"the body is nested too deeply; the form is {_FORM}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FeedbackError(f"the body is not JSON: {error}; the form is {_FORM}") from error
    return [
        (item.prediction_id, _label(index, item.label), _at(index, item.at, now)) for index, item in enumerate(items)
    ]


def _label(index: int, label: Any) -> Any:
    values = label if isinstance(label, list) else [label]
    if all(value is None for value in values):
        raise LabelError("the label says nothing of any row", row=index, field="label")
    if any(isinstance(value, int) and abs(value) >= _TOO_LARGE for value in values):
        raise LabelError("the label is a larger number than 64 bits hold", row=index, field="label")
    return label


def _at(index: int, at: float | datetime | None, now: float) -> float | None:
    if at is None:
        return None
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise LabelError("the time has no offset from UTC, such as Z or +04:00", row=index, field="at")
        at = at.timestamp()
    if not 0 <= at <= now + FUTURE_S:
        hint = "; it looks like milliseconds" if at > _MILLISECONDS else ""
        raise LabelError(f"the time {at:.0f} is not between 1970 and now{hint}", row=index, field="at")
    return float(at)


def _misformed(message: str) -> FeedbackError:
    path_match = _PATH.match(message)
    if path_match is None:
        return FeedbackError(f"{message}; the form is {_FORM}", field=_missing(message))
    item = None if path_match["item"] is None else int(path_match["item"])
    return FeedbackError(
        path_match["what"], row=item, field=path_match["field"] or _missing(message) or path_match["member"]
    )


def _missing(message: str) -> str | None:
    field_match = _MISSING.search(message)
    return field_match["field"] if field_match else None
