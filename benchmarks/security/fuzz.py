"""Odd requests to a running server: how many it fails at, and how many it never answers.

    falaj up
    python benchmarks/security/fuzz.py [--count 10000] [--seed 7]

Half of the requests come from a fuzzer that knows the OpenAPI document and the names of what is there: addresses and
bodies that fit, with odd values somewhere. `FALAJ_TOKEN` chooses as whom; it is the installation's own otherwise.
The other half is blind: addresses, queries, headers and bytes. A failure is a 5xx, or no answer; 503 with `Retry-After`
is a full queue and none. Only addresses that stop or rotate something, or that stream, are left out.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import quote

from falaj.core.home import Home

TEXTS = [
    "x@9999999999999999999999", "x@%D9%A3", "x@%C2%B2", "x@-1", "@", "9223372036854775808", "-1", "1e308", "NaN", "²",
    "%00", "%ED%A0%80", "%ff%fe", "..%2f..%2fetc", "a" * 3000, "%0d%0aX:%20y", "run/", "*", "--upload-pack=x", "last",
    "LOCAL", "Local", "%6cocal", "prod%2Flocal", "0", "00", "+1", "1_000", "true", "null",
]  # fmt: skip
VALUES: list[Any] = [
    "\x00", "\ud800", "²", "x@²", "x@99999999999999999999", "--upload-pack=x", -1, 0, 2**31, 2**63, 2**64, 10**30,
    1e308, -0.0, True, None, [], {}, "", "x" * 5000, "9" * 400, [[[[]]]], {"a": {"b": []}}, "\u202e",
    "../../etc/passwd",
]  # fmt: skip
BODIES = [
    b"", b"null", b"[]", b"0", b"{", b"[" * 20_000, b'{"a":' * 10_000, b"[" * 1_100 + b"]" * 1_100, b"\xff\xfe\x00",
    b'{"a":' + b"9" * 6_000 + b"}", b'{"a":NaN}', b'{"a":1e999}', b'{"a":1,"a":2}', b"\xef\xbb\xbf{}",
    b"\x1f\x8b\x08\x00",
]  # fmt: skip
HEADERS = ["content-type", "last-event-id", "traceparent", "accept", "x-request-id", "cookie", "range", "if-match"]
LISTS = {
    "run_id": ("runs", "id"), "project": ("projects", "name"), "change_id": ("changes", "id"),
    "alert_id": ("alerts", "id"), "gate_id": ("gates", "id"), "rollout_id": ("rollouts", "id"),
    "model": ("releases", "model"), "digest": ("releases", "digest"), "endpoint": ("endpoints", "endpoint"),
}  # fmt: skip
"""Where the names of what is there are listed, by the parameter that takes them."""
LEFT_OUT = ("/events", "/desired", "/collect", "/rotate", "/destroy", "/erase", "/logout", "/lock")
TIMEOUT_S = 60.0


Names = Mapping[str, list[str]]
"""What is there, by the parameter that takes it."""


@dataclass(frozen=True)
class OddRequest:
    """A request, as bytes where the protocol has bytes."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Findings:
    """What came of the requests."""

    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, request: OddRequest, status: int, retry_after: str | None, took_s: float) -> None:
        """Count an answer; status 0 stands for none."""
        self.statuses[f"{status // 100}xx" if status else "no answer"] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        if status == 0 or (status >= 500 and not (status == 503 and retry_after)):
            self.failures.append(f"{status} {request.method} {request.path[:200]} {request.body[:200]!r}")


def schema_aware(document: Mapping[str, Any], chance: random.Random, names: Names) -> Iterator[OddRequest]:
    """Requests that fit the document but for some values, without end."""
    operations = [*_operations(document)]
    while True:
        method, path, operation = chance.choice(operations)
        texts = [_named(part.strip("{}"), names, chance) for part in path.split("/")]
        query = {
            each["name"]: _named(each["name"], names, chance)
            for each in operation.get("parameters", ()) if each["in"] == "query"
        }  # fmt: skip
        chosen = chance.sample(sorted(query), chance.randint(0, len(query)))
        address = _filled(path, texts) + ("?" + "&".join(f"{name}={query[name]}" for name in chosen) if chosen else "")
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        value = None if schema is None else _value(document, schema, chance, 0)
        if isinstance(value, dict):
            value |= {name: chance.choice(names[name]) for name in value if name in names and chance.random() < 0.7}
        body = b"" if schema is None else json.dumps(value).encode()
        yield OddRequest(method, address, body, {"content-type": "application/json"})


def _named(parameter: str, names: Names, chance: random.Random) -> str:
    """The name of something that is there, or an odd text."""
    choices = names.get(parameter.partition(":")[0])
    return _text(chance) if not choices or chance.random() < 0.3 else quote(chance.choice(choices), safe="@/:")


def blind(document: Mapping[str, Any], chance: random.Random, _names: Names) -> Iterator[OddRequest]:
    """Requests of somebody who knows the addresses alone, without end."""
    paths = [path for _, path, _ in _operations(document)]
    while True:
        path = chance.choice(paths)
        address = _filled(path, [_text(chance) for _ in path.split("/")]) + chance.choice(
            ["", "/", "//", "?" * 9, ";a"]
        )
        query = "&".join(f"{_text(chance)}={_text(chance)}" for _ in range(chance.randrange(3)))
        headers = {chance.choice(HEADERS): chance.choice(["", "%", "\xb2", "a" * 2_000, "99999999999999999999", "-1"])}
        method = chance.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X"])
        body = chance.choice([*BODIES, chance.randbytes(chance.randrange(300))])
        yield OddRequest(method, f"{address}?{query}"[:6_000], body, headers)


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        if not any(part in path for part in LEFT_OUT):
            yield from ((method.upper(), path, operation) for method, operation in methods.items())


def _filled(path: str, texts: list[str]) -> str:
    return "/".join(text if "{" in part else part for part, text in zip(path.split("/"), texts, strict=True))


def _text(chance: random.Random) -> str:
    return quote(chance.choice(TEXTS), safe="%/@:*+")


def _value(document: Mapping[str, Any], schema: Mapping[str, Any], chance: random.Random, depth: int) -> Any:
    """A value of a schema; now and then, and below a depth, an odd one."""
    if depth > 5 or chance.random() < 0.15:
        return chance.choice(VALUES)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _value(document, document["components"]["schemas"][name], chance, depth)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _value(document, chance.choice(choices), chance, depth)
    if "enum" in schema or "const" in schema:
        return chance.choice(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "object":
            places = schema.get("properties", {})
            return {name: _value(document, each, chance, depth + 1) for name, each in places.items()} or {"x": 1}
        case "array":
            return [_value(document, schema.get("items", {}), chance, depth + 1) for _ in range(chance.randrange(4))]
        case "integer" | "number":
            return chance.choice([0, 1, schema.get("minimum", 1), schema.get("maximum", 2**31)])
        case "boolean":
            return chance.random() < 0.5
        case _:
            return chance.choice(["p", "local", "dev", "main", "x@1", "a" * 40, "user:ana", "2026-01-01T00:00:00Z"])


def _ask(port: int, token: str, request: OddRequest) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in {"authorization": f"Bearer {token}", **request.headers}.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        answer.read(1_000)
        return answer.status, answer.getheader("retry-after")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()


def _read(port: int, token: str, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request("GET", f"/api/v1/{path}", headers={"authorization": f"Bearer {token}"})
    return json.loads(connection.getresponse().read())


def _names(port: int, token: str) -> Names:
    names = {"environment": ["dev", "test", "pre-prod", "prod"], "location": ["local"], "node:path": ["fit"]}
    for parameter, (path, field_name) in LISTS.items():
        answer = _read(port, token, path)
        rows = answer if isinstance(answer, list) else []  # who may not read it goes without
        if values := sorted({str(row[field_name]) for row in rows}):
            names[parameter] = values
    releases = [f"{model}@{number}" for model in names.get("model", ()) for number in ("1", "2", "latest")]
    return {**names, "name": releases, "release": releases} if releases else names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    home = Home.from_environment()
    port, token = home.ports()["server"], os.environ.get("FALAJ_TOKEN") or home.token
    document, names, failures = _read(port, token, "openapi.json"), _names(port, token), 0
    for name, make in (("schema-aware", schema_aware), ("blind", blind)):
        findings, source = Findings(), make(document, random.Random(options.seed), names)
        for request, _ in zip(source, range(options.count // 2), strict=False):
            began = perf_counter()
            status, retry_after = _ask(port, token, request)
            findings.add(request, status, retry_after, perf_counter() - began)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(findings.statuses.items()))
        print(f"{name}: {counts}; {len(findings.failures)} failures; slowest {findings.slowest_s:.2f} s")
        for line in findings.failures[:20]:
            print("  ", line)
        failures += len(findings.failures)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
