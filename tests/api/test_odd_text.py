"""Text that JSON and URLs can carry and a database cannot: it is refused as the caller's mistake, on every database."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

pytestmark = pytest.mark.integration

ODD = ["\x00", "a\x00b", "\ud800"]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_text_in_a_body_is_the_callers_mistake(client: TestClient, text: str) -> None:

    body = json.dumps({"project": text, "commit": "1" * 40}).encode()
    answer = client.post("/api/v1/runs", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["runs/%00", "releases/%00@1", "runs/x%00/logs/a", "runs?project=%00", "releases?model=%ED%A0%80"]
)
def test_odd_text_in_an_address_is_the_callers_mistake(client: TestClient, path: str) -> None:
    assert client.get(f"/api/v1/{path}").status_code < 500
