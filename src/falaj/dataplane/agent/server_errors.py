"""One question to the server, and what can go wrong with it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from falaj.dataplane.errors import LocationError, LocationRefusedError


def ask(http: httpx.Client, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """Ask; the parsed answer, or None when it is empty.

    Raises:
        LocationError: The server cannot be reached, or refuses (LocationRefusedError).
    """
    try:
        answer = http.request(method, path, json=body, params=query or None)
    except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed by another thread
        raise LocationError(f"the server does not answer: {error}", where=str(http.base_url)) from error
    if answer.is_error:
        raise _refused(answer, path)
    try:
        return answer.json() if answer.content else None
    except json.JSONDecodeError as error:
        raise LocationError("the server's answer is not JSON", where=path) from error


def _refused(answer: httpx.Response, path: str) -> LocationError:
    try:
        problem = answer.json()
        code, title = str(problem["code"]), str(problem["title"])
    except (ValueError, KeyError, TypeError):
        return LocationError(f"the server answered {answer.status_code}: {answer.text[:200]}", where=path)
    return LocationRefusedError(f"the server answered {answer.status_code} ({code}): {title}", where=path)
