"""Lists in pages by keyset: a page begins behind the last row of the one before, whatever is added meanwhile.

The answer is the list itself; the link to the next page stands in the header `Link` (RFC 8288), where there is one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request, Response
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from falaj.core.errors import UsageError

Key = float | int | str
"""A value of a column that orders a list."""
Keys = Sequence[InstrumentedAttribute[float] | InstrumentedAttribute[int] | InstrumentedAttribute[str]]

Row = TypeVar("Row")


@dataclass(frozen=True)
class Paging:
    """The page that a request is about.

    Attributes:
        limit: Most rows of it.
        after: The cursor of the row before its first one; empty for the first page.
        request: Its address is that of the next page, but for the cursor.
        response: Gets the link to the next page.
    """

    limit: int
    after: str
    request: Request
    response: Response

    def rows(self, session: Session, query: Select[Row], keys: Keys) -> list[Row]:
        """The rows of the page, the largest keys first.

        Args:
            session: An open session.
            query: Every row of the list, in no order.
            keys: Columns that order the list and name a row together; an index should have them in this order.

        Raises:
            UsageError: The cursor is of no list like this one (`page.cursor`).
        """
        if self.after:
            query = query.where(tuple_(*keys) < tuple_(*decode_cursor(self.after, keys)))
        query = query.order_by(*(key.desc() for key in keys)).limit(self.limit + 1)
        rows = list(session.scalars(query))
        if len(rows) > self.limit:
            self._link(encode_cursor([getattr(rows[self.limit - 1], key.key) for key in keys]))
        return rows[: self.limit]

    def _link(self, cursor: str) -> None:
        url = self.request.url.include_query_params(after=cursor)
        self.response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


def _paging(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=200, description="Most rows of the page.")] = 50,
    after: Annotated[str, Query(max_length=1000, description="Cursor of the page, from the `Link` header.")] = "",
) -> Paging:
    return Paging(limit, after, request, response)


Page = Annotated[Paging, Depends(_paging)]


def encode_cursor(values: Sequence[Key]) -> str:
    """The place behind a row of a list, as text for an address."""
    return base64.urlsafe_b64encode(json.dumps(list(values), separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, keys: Keys) -> list[Key]:
    """The values of `encode_cursor`; nothing else passes, since they go into a query."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _unusable() from error
    types = [key.type.python_type for key in keys]
    if not isinstance(values, list) or [type(value) for value in values] != types:
        raise _unusable()
    return values


def _unusable() -> UsageError:
    return UsageError("the cursor is not of this list", hint="begin again without `after`", code="page.cursor")
