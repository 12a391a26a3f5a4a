"""The OpenAPI document: what FastAPI makes of the routes, with the problems that every one of them may answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from falaj.schemas.problem import Problem

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {
    "description": "What is wrong, with a stable code and the exit code of a command that meets it (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")
"""How FastAPI answers to a request that is not valid, which this API does with a problem and 400."""


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _with_problems(get_openapi(title=app.title, version=app.version, routes=app.routes))
    return app.openapi_schema


def _with_problems(drafted: dict[str, Any]) -> dict[str, Any]:
    operations = [operation for path in drafted["paths"].values() for operation in path.values()]
    for operation in operations:
        operation["responses"].pop("422", None)
        operation["responses"] |= {"4XX": _PROBLEM, "5XX": _PROBLEM}
    schemas = {name: schema for name, schema in drafted["components"]["schemas"].items() if name not in _OF_FASTAPI}
    problem = TypeAdapter(Problem).json_schema(ref_template=_REFERENCE)
    schemas |= problem.pop("$defs") | {"Problem": problem}
    return {**drafted, "components": {**drafted["components"], "schemas": dict(sorted(schemas.items()))}}
