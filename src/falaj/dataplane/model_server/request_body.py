"""The body of a request: of a content type that is taken, no longer than the limit, also where it comes compressed."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from falaj.core.ids import parse_number
from falaj.models.errors import BodyTooLargeError, ContentEncodingError, ContentTypeError, InvalidInputError

JSON = "application/json"
BINARY = "application/octet-stream"
_GZIP = frozenset({"gzip", "x-gzip"})
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_SHORT = 4096
"""A compressed body up to here expands at once: at most a thousandfold, in some milliseconds."""


def check_content_type(content_type: str | None, accepted: tuple[str, ...]) -> None:
    """Refuse a body of another content type; one that does not say its own is taken for JSON.

    Args:
        content_type: The header.
        accepted: Content types, the first of them JSON.

    Raises:
        ContentTypeError: It is none of these, or JSON in another encoding than UTF-8.
    """
    if content_type is None or content_type == JSON:
        return
    media_type, _, rest = content_type.partition(";")
    if media_type.strip().lower() not in accepted:
        raise ContentTypeError(f"{media_type.strip()[:80]!r} is not taken here, but {' or '.join(accepted)}", accepted)
    for parameter in rest.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _UTF_8:
            raise ContentTypeError("JSON is taken in UTF-8 alone", accepted)


async def read_body(protocol: Any, headers: Any, limit: int) -> bytes:
    """Read a body and expand it.

    Args:
        protocol: Of the RSGI request.
        headers: Of the request.
        limit: Most bytes, as sent and expanded.

    Raises:
        BodyTooLargeError: It is longer; it is refused before or while it arrives or expands.
        ContentEncodingError: It is compressed in another way than gzip.
        InvalidInputError: What it holds is not gzip.
    """
    encoding = headers.get("content-encoding")
    if encoding is None:
        return await _read(protocol, headers.get("content-length"), limit)
    name = encoding.strip().lower()
    if name not in _GZIP and name not in ("", "identity"):
        raise ContentEncodingError(f"the content encoding {name[:40]!r} is not taken, but gzip")
    body = await _read(protocol, headers.get("content-length"), limit)
    if name not in _GZIP:
        return body
    if len(body) <= _SHORT:
        return expand(body, limit)
    return await asyncio.to_thread(expand, body, limit)  # the event loop has others to answer


async def _read(protocol: Any, declared: str | None, limit: int) -> bytes:
    length = None if declared is None else parse_number(declared, digits=18)
    if length is not None:
        if length > limit:
            raise BodyTooLargeError(f"the body has {length} bytes; the limit is {limit}")
        whole: bytes = await protocol()
        return whole
    parts, size = [], 0
    async for part in protocol:
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(f"the body has more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def expand(body: bytes, limit: int) -> bytes:
    """Expand a gzip body of one member, without ever holding more than the limit.

    Raises:
        BodyTooLargeError: It expands to more.
        InvalidInputError: It is not gzip, ends too early, or something follows it.
    """
    gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        expanded = gzip.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidInputError(f"the body is not gzip: {error}") from None
    if len(expanded) > limit:
        raise BodyTooLargeError(f"the body expands to more than {limit} bytes")
    if not gzip.eof:
        raise InvalidInputError("the gzip body ends too early")
    if gzip.unused_data:
        raise InvalidInputError("something follows the end of the gzip body")
    return expanded
