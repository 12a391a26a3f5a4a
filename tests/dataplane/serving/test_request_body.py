"""Content types and compressed bodies: what is taken, and that a bomb expands to no more than the limit."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from falaj.dataplane.model_server.request_body import BINARY, JSON, check_content_type, expand, read_body
from falaj.models import errors

LIMIT = 100_000
WHOLE = gzip.compress(b"{}", mtime=0)


class StubRequest:
    """A request's body as granian gives it."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts

    async def __call__(self) -> bytes:
        return b"".join(self.parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part


def read(body: bytes, **headers: Any) -> bytes:
    http_headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return asyncio.run(read_body(StubRequest(body[:10], body[10:]), http_headers, LIMIT))


@pytest.mark.parametrize(
    "content_type", [None, JSON, "Application/JSON; charset=UTF-8", 'application/json; charset="utf-8"']
)
def test_json_is_taken(content_type: str | None) -> None:
    check_content_type(content_type, (JSON,))


@pytest.mark.parametrize(
    "content_type",
    ["text/csv", "application/x-www-form-urlencoded", "", BINARY, "application/json; charset=latin-1", "text/*"],
)
def test_another_content_type_is_refused_with_those_that_are_taken(content_type: str) -> None:
    with pytest.raises(errors.ContentTypeError) as refused:
        check_content_type(content_type, (JSON,))
    assert refused.value.status == 415
    assert ("accept", JSON) in errors.headers(refused.value)
    assert JSON in str(refused.value) or "UTF-8" in str(refused.value)


@pytest.mark.parametrize("size", [10, 3_000, LIMIT])
@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "identity", None])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_arrives_as_it_was(size: int, encoding: str | None, declared: bool) -> None:
    body = os.urandom(size // 2) + bytes(size - size // 2)
    encoded_body = gzip.compress(body, mtime=0) if encoding and "gzip" in encoding.lower() else body
    headers = {"content_length": len(encoded_body)} if declared else {}
    assert read(encoded_body, **headers, **({"content_encoding": encoding} if encoding else {})) == body


def test_a_bomb_expands_to_no_more_than_the_limit() -> None:
    for size in (LIMIT + 1, 64 << 20):
        with pytest.raises(errors.BodyTooLargeError, match="expands to more than 100000"):
            read(gzip.compress(bytes(size), mtime=0), content_encoding="gzip")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        gzip.compress(b"{}", mtime=0)[:-3],
        gzip.compress(b"{}", mtime=0) + b"x",
        gzip.compress(b"{}", mtime=0) * 2,
        zlib.compress(b"{}"),
    ],
)
def test_what_is_not_one_gzip_stream_is_refused(body: bytes) -> None:
    with pytest.raises(errors.InvalidInputError, match="gzip"):
        expand(body, LIMIT)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_another_encoding_is_refused_with_those_that_are_taken(encoding: str) -> None:
    with pytest.raises(errors.ContentEncodingError) as refused:
        read(b"{}", content_encoding=encoding)
    assert refused.value.status == 415
    assert ("accept-encoding", "gzip, identity") in errors.headers(refused.value)
