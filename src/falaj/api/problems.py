"""Errors as RFC 9457 problem details."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from falaj.api import denied_requests, outsiders
from falaj.core.errors import EXIT_CODES, FalajError
from falaj.trust.policy import ForbiddenError

logger = logging.getLogger(__name__)


def problem(
    status: int, code: str, title: str, *, exit_code: int | None = None, headers: Mapping[str, str] | None = None,
    **details: Any,
) -> JSONResponse:  # fmt: skip
    """A problem document; `code` is stable, `title` is for people, `exit_code` is what a command ends with."""
    ends_with = EXIT_CODES.get(status, 1) if exit_code is None else exit_code
    kind = f"https://falaj.dev/problems/{code}"
    document = {"type": kind, "title": title, "status": status, "code": code, "exit_code": ends_with}
    shown = {name: value for name, value in details.items() if value}
    return JSONResponse(document | shown, status, headers, media_type="application/problem+json")


def problem_of(error: FalajError, **details: Any) -> JSONResponse:
    """The problem document of an error."""
    wait = None if error.retry_after_s is None else {"retry-after": str(math.ceil(error.retry_after_s))}
    about = {"where": error.where, "hint": error.hint, **details}
    return problem(error.status, error.code, error.message, exit_code=error.exit_code, headers=wait, **about)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(FalajError, _falaj_error)
    app.add_exception_handler(ForbiddenError, _forbidden)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    for refused in (DataError, UnicodeEncodeError, OverflowError):  # the database takes less than JSON can carry
        app.add_exception_handler(refused, _text_refused)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(Exception, _unexpected)


def _falaj_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FalajError)
    return problem_of(outsiders.refusal_for(request, error) or error)


def _forbidden(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ForbiddenError)
    denied_requests.record(request, error)
    return problem_of(outsiders.refusal_for(request, error) or error)


def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    issues = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
    named = "; ".join(f"{item['field']}: {item['message']}" for item in issues)
    return problem(400, "request.invalid", f"the request is not valid: {named}", issues=issues)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, f"http.{error.status_code}", str(error.detail), where=request.url.path)


def _text_refused(request: Request, _error: Exception) -> JSONResponse:
    title = "the request holds text or a number that cannot be kept, such as a NUL character or half a surrogate pair"
    return problem(400, "request.invalid", title, where=f"{request.method} {request.scope['route'].path}")


def _too_deep(request: Request, _error: Exception) -> JSONResponse:
    title = "the request is nested too deeply"
    return problem(400, "request.invalid", title, where=f"{request.method} {request.scope['route'].path}")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error", exc_info=error, extra={"path": request.url.path})
    return problem(500, "server.unexpected", "the server failed on this request", hint="its log says why")
