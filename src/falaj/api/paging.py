"""Lists in pages by keyset: a page begins behind the last row of the one before, whatever is added meanwhile.

A list is declared once, with the columns that order it; its route takes `limit`, `after` and `sort` from that. The
answer is the list itself; the link to the next page stands in the header `Link` (RFC 8288), where there is one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Query, Request, Response
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from falaj.core.errors import UsageError
from falaj.storage.sealed import SealedRow

Key = float | int | str
"""A value of a column that orders a list."""
Column = InstrumentedAttribute[float] | InstrumentedAttribute[int] | InstrumentedAttribute[str]
Keys = Sequence[Column]

Row = TypeVar("Row")
Item = TypeVar("Item")

_BATCH_ROWS = 100
_MOST_SCANNED = 5_000


@dataclass(frozen=True)
class Order:
    """How a list is ordered.

    Attributes:
        keys: Columns that order the list and name a row together; an index should have them in this order.
        descending: Whether the largest come first.
    """

    keys: Keys
    descending: bool

    def behind(self, query: Select[Row], place: Sequence[Key]) -> Select[Row]:
        """The rows behind a place of the order."""
        columns = tuple_(*self.keys)
        return query.where(columns < tuple_(*place) if self.descending else columns > tuple_(*place))

    def sorted(self, query: Select[Row]) -> Select[Row]:
        """The rows in this order."""
        return query.order_by(*(key.desc() if self.descending else key.asc() for key in self.keys))

    def place_of(self, row: object) -> list[Key]:
        """Where a row stands in the order."""
        return [getattr(row, key.key) for key in self.keys]

    @property
    def types(self) -> list[type]:
        """The types of what a place is made of."""
        return [key.type.python_type for key in self.keys]


@dataclass(frozen=True)
class Paging:
    """The page that a request is about.

    Attributes:
        limit: Most rows of it.
        after: The cursor of the row before its first one; empty for the first page.
        order: How the list is ordered.
        request: Its address is that of the next page, but for the cursor.
        response: Gets the link to the next page.
    """

    limit: int
    after: str
    order: Order
    request: Request
    response: Response

    def rows(self, session: Session, query: Select[Row]) -> list[Row]:
        """The rows of the page.

        Args:
            session: An open session.
            query: Every row of the list, in no order.

        Raises:
            UsageError: The cursor is of no list like this one (`page.cursor`).
        """
        rows = self._batch(session, query, self._place(), self.limit + 1)
        if len(rows) > self.limit:
            self._link(self.order.place_of(rows[self.limit - 1]))
        return rows[: self.limit]

    def passing(
        self, session: Session, query: Select[Row], passes: Callable[[Sequence[Row]], Iterable[Row]]
    ) -> list[Row]:
        """The rows of the page, of those that pass what the database cannot ask.

        At most 5,000 rows are gone through for a page: one with fewer rows than its limit may have a next.

        Args:
            session: An open session.
            query: Every row of the list and others, in no order.
            passes: Those of some rows that pass, in the same order.
        """
        shown: list[Row] = []
        place = self._place()
        for _ in range(_MOST_SCANNED // _BATCH_ROWS):
            batch = self._batch(session, query, place, _BATCH_ROWS)
            shown += passes(batch)
            if len(shown) > self.limit:
                self._link(self.order.place_of(shown[self.limit - 1]))
                return shown[: self.limit]
            if len(batch) < _BATCH_ROWS:
                return shown
            place = self.order.place_of(batch[-1])
        self._link(place)
        return shown

    def named(self, items: Iterable[Item], name: Callable[[Item], str]) -> list[Item]:
        """The page of a list that is computed, by the names of its items."""
        place = self._place()
        behind = sorted((item for item in items if not place or name(item) > str(place[0])), key=name)
        if len(behind) > self.limit:
            self._link([name(behind[self.limit - 1])])
        return behind[: self.limit]

    def _batch(self, session: Session, query: Select[Row], place: Sequence[Key], size: int) -> list[Row]:
        behind = self.order.sorted(self.order.behind(query, place) if place else query)
        if issubclass(query.column_descriptions[0]["entity"], SealedRow):
            return list(islice(session.scalars(behind), size))  # rows that are no facts are left out, and do not count
        return list(session.scalars(behind.limit(size)))

    def _place(self) -> list[Key]:
        return decode_cursor(self.after, self.order.types) if self.after else []

    def _link(self, place: Sequence[Key]) -> None:
        url = self.request.url.include_query_params(after=encode_cursor(place))
        self.response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


def paged(default: str, orders: Mapping[str, Keys]) -> Callable[..., Paging]:
    """The dependency of a route that answers with a list: `page: Annotated[Paging, Depends(paged(...))]`.

    Args:
        default: The order unless `sort` names another: a name of `orders`, with `-` for the largest first.
        orders: The columns of each order, by what `sort` calls it.
    """
    names = tuple(sign + name for name in orders for sign in ("", "-"))

    def page(
        request: Request,
        response: Response,
        limit: Annotated[int, Query(ge=1, le=200, description="Most rows of the page.")] = 50,
        after: Annotated[str, Query(max_length=1000, description="Cursor of the page, from the `Link` header.")] = "",
        sort: str = default,
    ) -> Paging:
        order = Order(orders[sort.removeprefix("-")], sort.startswith("-"))
        return Paging(limit, after, order, request, response)

    description = "The order of the list; `-` is for the largest first."
    page.__annotations__["sort"] = Annotated[Literal[names], Query(description=description)]
    return page


def matching(query: Select[Row], filters: Mapping[InstrumentedAttribute[Any], Any]) -> Select[Row]:
    """The rows that have the values of filters; one of None is no filter."""
    return query.where(*(column == value for column, value in filters.items() if value is not None))


def encode_cursor(values: Sequence[Key]) -> str:
    """The place behind a row of a list, as text for an address."""
    return base64.urlsafe_b64encode(json.dumps(list(values), separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, types: Sequence[type]) -> list[Key]:
    """The values of `encode_cursor`; nothing else passes, since they go into a query."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _unusable() from error
    if not isinstance(values, list) or [type(value) for value in values] != list(types):
        raise _unusable()
    return values


def _unusable() -> UsageError:
    return UsageError("the cursor is not of this list", hint="begin again without `after`", code="page.cursor")
