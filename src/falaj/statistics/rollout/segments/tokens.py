"""The words of a predicate's text, read from left to right."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from falaj.statistics.rollout.segments.errors import PredicateError

T = TypeVar("T")

_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<op>==|!=|>=|<=|>|<)|(?P<number>[-+]?[0-9.][0-9.eE+-]*)'
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<end>$)|(?P<bad>\S))"
)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


class Words:
    """What is still to be read of a text."""

    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        place = 0
        while not self._tokens or self._tokens[-1].kind != "end":
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:  # the pattern takes any character, so this is its own guard
                raise PredicateError("the predicate cannot be read", where=f"character {place + 1}")
            self._tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            place = match.end()
        self._next = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def wrong(self, message: str, expected: str) -> PredicateError:
        """The error at the next word."""
        return PredicateError(message, where=f"character {self._token.offset + 1}", hint=f"expected {expected}")

    def _unexpected(self, expected: str) -> PredicateError:
        actual = "the predicate ends" if self._token.kind == "end" else f"{self._token.text!r} stands"
        return self.wrong(f"{actual} where {expected} belongs", expected)

    def accept(self, word: str) -> bool:
        """Skip a word if it is next."""
        matches = self._token.kind == "word" and self._token.text == word
        if matches:
            self._take()
        return matches

    def expect(self, word: str) -> None:
        """Skip a word, which must be next."""
        if not self.accept(word):
            raise self._unexpected(f"`{word}`")

    def one_of(self, *choices: str) -> str:
        """The next word, which must be one of these."""
        if self._token.kind not in ("op", "word") or self._token.text not in choices:
            raise self._unexpected(" or ".join(f"`{choice}`" for choice in choices))
        return self._take().text

    def column(self) -> str:
        """The name of a column, in double quotes where it is not a plain word."""
        if self._token.kind == "string":
            return self._string()
        if self._token.kind != "word" or self._token.text in ("and", "is", "all"):
            raise self._unexpected("the name of a column")
        return self._take().text

    def value(self) -> str | float | bool:
        """Text in double quotes, a finite number, `true` or `false`."""
        if self._token.kind == "string":
            return self._string()
        if self._token.kind == "number":
            return self._number()
        if self._token.kind == "word" and self._token.text in ("true", "false"):
            return self._take().text == "true"
        raise self._unexpected('a number or text in double quotes, such as "EV",')

    def _string(self) -> str:
        try:
            text: str = json.loads(self._token.text)
        except ValueError:
            raise self.wrong("this text has an escape that JSON does not know", "a JSON string") from None
        self._take()
        return text

    def _number(self) -> float:
        text = self._token.text
        if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            raise self._unexpected("a finite number")
        self._take()
        return int(text) if _WHOLE.fullmatch(text) else float(text)

    def placed(self, make: Callable[[], T]) -> T:
        """Do something with the next words; an error of it that has no place is here."""
        offset = self._token.offset
        try:
            return make()
        except PredicateError as error:
            error.where = error.where or f"character {offset + 1}"
            raise

    def end(self) -> None:
        """Nothing may follow."""
        if self._token.kind != "end":
            raise self._unexpected("`and`, or the end,")
