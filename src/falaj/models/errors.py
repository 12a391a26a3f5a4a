"""What a request or a model can get wrong, and how a response says so (RFC 9457)."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from falaj.core.errors import FalajError, IntegrityError, UsageError


class ModelError(IntegrityError):
    """The model folder cannot be served; the process ends."""

    code = "serving.model"


class LauncherError(UsageError):
    """The server was started with a Python or a path that cannot work."""

    code = "serving.launcher"


class RequestError(FalajError):
    """A request that is answered with problem details.

    Args:
        message: What is wrong, in one sentence.
        row: Zero-based row of the request's table, when one is to blame; of its labels in a `FeedbackError`.
        field: Column or member, when one is to blame.
    """

    code, status, title = "serving.failed", 500, "The prediction failed"
    outcome = "failed"
    retry_after_s: float | None = None
    row_name = "row"
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, message: str, *, row: int | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.field = field


class InvalidInputError(RequestError):
    """The body does not fit the model's signature."""

    code, status, title = "serving.invalid-input", 400, "The input does not fit the model's signature"
    outcome = "invalid"


class FeedbackError(RequestError):
    """The body is no list of labels, or one of them is not of the form of a label."""

    code, status, title = "serving.invalid-feedback", 400, "The labels are not in the form that is asked for"
    outcome = "invalid"
    row_name = "item"


class FeedbackTypeError(FeedbackError):
    """Labels of another content type: what a page of another site can send without asking first."""

    code, status, title = "serving.feedback-type", 415, "Labels are sent as application/json"


class CallerNeededError(FeedbackError):
    """Labels from nobody: the gateway says who sends them, where it asked."""

    code, status, title = "serving.caller-needed", 401, "Labels need a token of the endpoint"


class ForeignOriginError(FeedbackError):
    """Labels sent by a page: no page of this server sends any."""

    code, status, title = "serving.foreign-origin", 403, "A page of another site may not send labels"


class LabelError(FeedbackError):
    """A label that is of the right form and cannot be true."""

    code, status, title = "serving.impossible-label", 422, "A label cannot be right"


class FeedbackUnavailableError(RequestError):
    """Labels cannot be kept now; none of the request's were."""

    code, status, title, outcome = "serving.feedback-unavailable", 503, "Labels cannot be kept now", "unavailable"
    retry_after_s = 5.0


class RouteNotFoundError(RequestError):
    """No such path, model or version here."""

    code, status, title, outcome = "serving.not-found", 404, "There is nothing at this address", "invalid"


class MethodNotAllowedError(RequestError):
    """The path exists and takes another method."""

    code, status, title, outcome = "serving.method", 405, "This address takes another method", "invalid"


class ContentTypeError(RequestError):
    """The body is of a content type that is not taken.

    Args:
        message: What is wrong.
        accepted: The content types that are taken.
    """

    code, status, title, outcome = "serving.content-type", 415, "The content type is not taken", "invalid"

    def __init__(self, message: str, accepted: tuple[str, ...]) -> None:
        super().__init__(message)
        self.headers = (("accept", ", ".join(accepted)),)


class ContentEncodingError(RequestError):
    """The body is compressed in a way that is not taken."""

    code, status, title, outcome = "serving.content-encoding", 415, "The content encoding is not taken", "invalid"
    headers = (("accept-encoding", "gzip, identity"),)


class BodyTooLargeError(RequestError):
    """The body is longer than the server reads."""

    code, status, title, outcome = "serving.too-large", 413, "The request body is too large", "too_large"


class QueueFullError(RequestError):
    """More rows wait than the server promises to answer in time."""

    code, status, title, outcome = "serving.queue-full", 429, "The queue is full", "overloaded"
    retry_after_s = 1.0


class NotReadyError(RequestError):
    """The model is loading or the server is ending."""

    code, status, title, outcome = "serving.not-ready", 503, "The model is not ready", "unavailable"
    retry_after_s = 1.0


class DeadlineError(RequestError):
    """The request waited longer than its deadline."""

    code, status, title, outcome = "serving.deadline", 503, "The deadline passed", "expired"
    retry_after_s = 1.0


def problem(error: RequestError, request_id: str) -> bytes:
    """Return the RFC 9457 problem document of an error, as JSON."""
    document: dict[str, Any] = {
        "type": f"https://falaj.dev/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
    }
    if error.row is not None:
        document[error.row_name] = error.row
    if error.field is not None:
        document["field"] = error.field
    return msgspec.json.encode(document)


def headers(error: RequestError) -> list[tuple[str, str]]:
    """Return the headers that belong to the error's status."""
    pairs = [("content-type", "application/problem+json"), *error.headers]
    if error.retry_after_s is not None:
        pairs.append(("retry-after", str(math.ceil(error.retry_after_s))))
    return pairs
