"""Every call of the client against the OpenAPI document: route, method, parameters, body and answer.

Each call is made with arguments of its signature, on a transport that answers with nothing and remembers the request.
A route has a call, or stands in `WITHOUT_CALL` with who uses it instead.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, get_args, get_type_hints
from unittest.mock import MagicMock
from urllib.parse import unquote

import pytest

from falaj.schemas import api, states
from falaj.schemas.changes import ToSign
from falaj.sdk import Client
from falaj.sdk.http import Transport
from falaj.supply_chain.attestations.decisions import Approval

DOCUMENT = Path(__file__).parents[2] / "docs/reference/openapi.json"
"""As the application makes it, which `tests/test_reference.py` asks."""
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "changes.end": [{"event": each} for each in ("archive", "restore", "retire", "revoke")],
    "rollouts.ask": [{"command": each} for each in get_args(states.RolloutCommand)],
    "secrets.list": [{}, {"project": None}],
    "secrets.set": [{}, {"project": None}],
    "secrets.remove": [{}, {"project": None}],
    "identity.tokens": [{"services": True}, {"services": False}],
    "identity.revoke_token": [{"services": True}, {"services": False}],
    "identity.create_token": [{"service": "x"}, {"service": ""}],
    "policy.ask_all": [{"questions": [("read", None, None)]}],
    "scorings.permit": [{"request": {"release": "m", "environment": "dev", "location": "local", "input": "x"}}],
}
"""Arguments that lead to other routes, or that say more than their types."""
AGENTS, MACHINES, BROWSERS = "agents", "machines of executors", "a browser"
HOOKS, STREAMS = "other systems", "read without a document"
WITHOUT_CALL = {
    "GET /api/v1/installation": "the transport itself, before it sends a token",
    "GET /api/v1/artifacts/{digest}/manifest": AGENTS,
    "GET /api/v1/artifacts/{digest}/files/{path}": AGENTS,
    "GET /api/v1/locations/{location}/desired": AGENTS,
    "GET /api/v1/locations/{location}/log/consistency": AGENTS,
    "PUT /api/v1/locations/{location}/status": AGENTS,
    "PUT /api/v1/locations/{location}/profiles": AGENTS,
    "POST /api/v1/locations/{location}/certificate": AGENTS,
    "POST /api/v1/locations/{location}/door-certificate": AGENTS,
    "GET /api/v1/workloads/authority": AGENTS,
    "POST /api/v1/workloads/enrol": AGENTS,
    "POST /api/v1/workloads/return": AGENTS,
    "POST /api/v1/projects/{project}/events": HOOKS,
    "POST /api/v1/webhooks/{vendor}/{project}": HOOKS,
    "GET /metrics": HOOKS,
    "GET /api/v1/auth/oidc/callback": BROWSERS,
    "GET /api/v1/auth/oidc/start": BROWSERS,
    "GET /security-key": BROWSERS,
    "GET /api/v1/events/last": BROWSERS,
    "GET /api/v1/auth/sessions": BROWSERS,
    "DELETE /api/v1/auth/sessions/{session_id}": BROWSERS,
    "POST /api/v1/executors/machines/certificate": MACHINES,
    "POST /api/v1/step-orders/claim": MACHINES,
    "POST /api/v1/step-orders/{key}/renew": MACHINES,
    "POST /api/v1/step-orders/{key}/output": MACHINES,
    "GET /api/v1/step-orders/{key}/artifacts/{digest}": MACHINES,
    "GET /api/v1/step-orders/{key}/artifacts/{digest}/objects/{name}": MACHINES,
    "PUT /api/v1/step-orders/{key}/objects/{name}": MACHINES,
    "POST /api/v1/step-orders/{key}/receipt": MACHINES,
}


class Nothing(dict[str, Any]):
    """An answer that has every key."""

    def __missing__(self, key: str) -> int:
        return 0


@dataclass(frozen=True)
class SentRequest:
    """A request of a call, and the document that it reads the answer as; None for another answer."""

    call: str
    method: str
    path: str
    query: frozenset[str]
    body: Any
    kind: type | None


class Recorder(Transport):
    """A transport that sends nothing."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, frozenset[str], Any]] = []
        self.kinds: list[type] = []

    def read_as(self, kind: type) -> MagicMock:
        """Remember as what an answer is read; give something that has every attribute."""
        self.kinds.append(kind)
        return MagicMock()

    def _note(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> None:
        self.requests.append((method, unquote(path), frozenset(query or ()), body))

    def json(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        self._note(method, path, query, body)
        return Nothing()

    def list(
        self, kind: type, path: str, query: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> Sequence[Any]:  # type: ignore[override]
        self._note("GET", path, {**(query or {}), "limit": limit, "after": ""})
        self.kinds.append(kind)
        return []

    def whole(self, kind: type, path: str, query: Mapping[str, Any] | None = None) -> Sequence[Any]:  # type: ignore[override]
        self._note("GET", path, query)
        self.kinds.append(kind)
        return []

    def text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        self._note("GET", path, query)
        return ""

    def lines(self, path: str) -> Iterator[str]:
        self._note("GET", path)
        return iter(())

    def events(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._note("GET", path, query)
        return iter(())


VALUES: dict[Any, Any] = {str: "x", float: 1.0, int: 1, bool: True}


def argument(hint: Any, tmp_path: Path) -> Any:
    """Some value of a type."""
    text = str(hint)
    if hint is Path:
        return tmp_path
    if hint is ToSign:
        approval = Approval(
            "c", "normal", "m@1", f"sha256:{0:064}", "0", (), "", "dev", 0, "user:a", "user:b", 0.0, 1.0
        )
        return ToSign(approval.as_dict(), [])
    if "Mapping" in text:
        return {}
    if "Sequence" in text:
        return []
    return VALUES[next(kind for kind in (str, float, int, bool) if kind is hint or kind.__name__ in text)]


def calls(client: Client) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public method of the client and of what it is made of."""
    parts = {name: getattr(client, name) for name, value in vars(Client).items() if isinstance(value, cached_property)}
    for part, owner in {"": client, **parts}.items():
        for name, function in inspect.getmembers(owner, inspect.ismethod):
            if not name.startswith("_") and name not in ("from_home", "of_installation"):
                yield f"{part}.{name}".lstrip("."), function


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SentRequest]:
    client, recorder = Client("http://127.0.0.1:1", ""), Recorder()
    client._transport = recorder
    monkeypatch.setattr(api, "decode", lambda kind, _value: recorder.read_as(kind))
    sent = []
    for name, function in calls(client):
        hints = get_type_hints(function, vars(inspect.getmodule(function)) | {"Trace": object})
        values = {
            each.name: "dev/m" if each.name == "endpoint" else argument(hints[each.name], tmp_path / name)
            for each in inspect.signature(function).parameters.values()
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL) and each.name not in ("prove",)
        }
        for variant in VARIANTS.get(name, [{}]):
            recorder.requests, recorder.kinds = [], []
            answer = function(**{**values, **variant})
            if inspect.isgenerator(answer):
                list(answer)
            sent += [SentRequest(name, *request, next(iter(recorder.kinds), None)) for request in recorder.requests]
    return sent


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return document


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def route_of(document: dict[str, Any], each: SentRequest) -> str | None:
    """The route that a request reaches: the one with the fewest parameters in its path."""
    names = [
        name
        for name in operations(document)
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", name), f"{each.method} {each.path}")
    ]
    return min(names, key=lambda name: name.count("{"), default=None)


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_every_call_asks_what_the_api_answers(sent: list[SentRequest], document: dict[str, Any]) -> None:
    failures = [(each.call, why) for each in sent for why in mismatches(document, each)]
    assert len(sent) > 90
    assert not failures, "\n".join(map(str, failures))


def mismatches(document: dict[str, Any], each: SentRequest) -> Iterator[str]:
    route = route_of(document, each)
    if route is None:
        yield f"no route: {each.method} {each.path}"
        return
    operation = operations(document)[route]
    declared = {item["name"]: item for item in operation.get("parameters", ()) if item["in"] == "query"}
    needed = {name for name, item in declared.items() if item.get("required")}
    if each.query - declared.keys() or needed - each.query:
        yield f"query {sorted(each.query)}: declared are {sorted(declared)}"
    yield from _body_mismatches(document, operation, each.body)
    yield from _answer_mismatches(document, operation, each.kind)


def _body_mismatches(document: dict[str, Any], operation: dict[str, Any], body: Any) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        if body is not None:
            yield "a body where none is read"
        return
    schema = resolved(document, content["schema"])
    if schema.get("type") == "array":
        if not isinstance(body, list):
            yield "no list where one is read"
        return
    names, needed = schema.get("properties", {}).keys(), set(schema.get("required", ()))
    written = set(body or {})
    if written - names or needed - written:
        yield f"body {sorted(written)}: read are {sorted(names)}, needed {sorted(needed)}"


def _answer_mismatches(document: dict[str, Any], operation: dict[str, Any], kind: type | None) -> Iterator[str]:
    answer = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    schema = schema.get("items", schema)
    if kind is None:
        return
    name = schema.get("$ref", "").rpartition("/")[2]
    if name.rpartition("__")[2] != kind.__name__:
        yield f"answered with {name or schema}, read as {kind.__name__}"
        return
    properties = resolved(document, schema)["properties"].keys()
    if {item.name for item in fields(kind)} != set(properties):
        yield f"{kind.__name__} has other fields than the answer: {sorted(properties)}"


def test_every_route_has_a_call_or_a_reason(sent: list[SentRequest], document: dict[str, Any]) -> None:
    reached = {route_of(document, each) for each in sent}
    silent = operations(document).keys() - reached
    assert silent == WITHOUT_CALL.keys(), (silent - WITHOUT_CALL.keys(), WITHOUT_CALL.keys() - silent)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"path": "/api/v1/gone"}, "no route"),
        ({"query": frozenset({"colour"})}, "query"),
        ({"body": {"colour": 1}}, "a body"),
        ({"kind": api.Release}, "answered with"),
    ],
)
def test_what_does_not_match_is_noticed(change: dict[str, Any], why: str, document: dict[str, Any]) -> None:
    right = {"call": "runs", "method": "GET", "path": "/api/v1/runs", "query": frozenset(), "body": None}
    right["kind"] = api.Run
    assert list(mismatches(document, SentRequest(**right))) == []
    assert [text for text in mismatches(document, SentRequest(**{**right, **change})) if text.startswith(why)]
