"""Odd requests of every kind to every route: nothing that is malformed makes the server fail, or stops it.

One set of requests knows the OpenAPI document and puts odd values where the document has a place for them; the other
knows only the addresses, and sends bytes.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform

COUNT = int(os.environ.get("FALAJ_ODD_REQUESTS", "400"))
"""How many requests of the kind that knows no schema; 10,000 take some minutes."""

TEXTS = [
    "x@9999999999999999999999", "x@%D9%A3", "x@0", "x@-1", "x@1e5", "x@%C2%B2", "x@", "@", "9223372036854775808",
    "-9223372036854775809", "1e308", "NaN", "%C2%B2", "%D9%A3", "a%00b", "%ED%A0%80", "%ff%fe", "..%2f..%2fetc",
    "a" * 3000, "%F0%9F%92%A9", "last", "%0d%0aX:%20y", "release/x@%C2%B2", "run/", "*", "--upload-pack=x",
]  # fmt: skip
VALUES: list[Any] = [
    "\x00", "\ud800", "²", "x@²", "x@99999999999999999999", "--upload-pack=x", -1, 2**31, 2**63, 10**30, 1e308, True,
    None, [], {}, "x" * 5000, "9" * 400, [[[[]]]], {"a": {"b": []}}, "\u202e",
]  # fmt: skip
BODIES = [
    b"", b"null", b"[]", b"0", b'"x"', b"{", b"[" * 50_000, b'{"a":' * 20_000, b"[" * 1_100 + b"]" * 1_100,
    b'{"a":' + b"[" * 1_100 + b"]" * 1_100 + b"}", b'{"a":' + b"9" * 6000 + b"}", b"\xff\xfe\x00", b'{"a":NaN}',
    b'{"a":1e999}', b'{"' + b"k" * 30_000 + b'":1}', b"--x\r\n\r\n", b"\x1f\x8b\x08\x00",
]  # fmt: skip
pytestmark = pytest.mark.e2e

NOT_SENT = ("/artifacts/collect",)


@pytest.fixture
def document(client: TestClient, platform: Platform) -> dict[str, Any]:
    """The OpenAPI document, of a server that keeps nobody waiting."""
    platform.stopping.set()
    client.post("/api/v1/projects", json={"name": "p", "repository": "/r"})
    openapi_document: dict[str, Any] = client.get("/api/v1/openapi.json").json()
    return openapi_document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        if not path.endswith(NOT_SENT):
            yield from ((method, path, operation) for method, operation in methods.items())


def check(client: TestClient, method: str, path: str, body: bytes = b"", **headers: bytes) -> None:
    request_headers = {
        b"content-type": b"application/json",
        **{name.encode(): value for name, value in headers.items()},
    }
    answer = client.request(method.upper(), path, content=body, headers=request_headers, follow_redirects=False)
    assert answer.status_code < 500, (answer.status_code, method, path[:200], body[:200], answer.text[:300])


def places(operation: dict[str, Any], kind: str) -> list[str]:
    return [each["name"] for each in operation.get("parameters", []) if each["in"] == kind]


def filled(path: str, text: str) -> str:
    """A path with a text in each of its places."""
    parts = path.split("/")
    return "/".join(text if "{" in part else part for part in parts)


def body_names(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return list(schema.get("properties", {}))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_odd_text_in_any_place_of_an_address_is_the_callers_mistake(
    client: TestClient, document: dict[str, Any]
) -> None:
    for method, path, operation in operations(document):
        for text in TEXTS if "{" in path else TEXTS[:1]:
            check(client, method, filled(path, text), b"{}" if method in ("post", "put") else b"")
        for name in places(operation, "query"):
            for text in TEXTS:
                check(client, method, f"{filled(path, 'p')}?{name}={text}")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_odd_value_in_any_place_of_a_body_is_the_callers_mistake(
    client: TestClient, document: dict[str, Any]
) -> None:
    for method, path, operation in operations(document):
        names = body_names(document, operation)
        for value in VALUES if names else ():
            check(client, method, filled(path, "p"), json.dumps(dict.fromkeys(names, value)).encode())
        for body in BODIES if method in ("post", "put") else ():
            check(client, method, filled(path, "p"), body)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_bytes_of_any_kind_are_the_callers_mistake(client: TestClient, document: dict[str, Any]) -> None:
    chance = random.Random(7)
    paths = [path for _, path, _ in operations(document)]
    for _ in range(COUNT):
        path = filled(chance.choice(paths), chance.choice(TEXTS)) + chance.choice(["", "/", "//", "?" * 9, "%2f", ";a"])
        query = "&".join(f"{chance.choice(TEXTS)}={chance.choice(TEXTS)}" for _ in range(chance.randrange(3)))
        body = chance.choice([*BODIES, chance.randbytes(chance.randrange(300))])
        odd = chance.choice(["content-type", "last-event-id", "traceparent", "accept", "x-request-id", "cookie"])
        method = chance.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "X"])
        check(
            client,
            method,
            f"{path}?{query}"[:6000],
            body,
            **{odd: chance.choice([b"", b"%", "²".encode(), b"a" * 2000])},
        )
