"""Filters of runs (pure).

    CONDITION and CONDITION ...
    NAME (< | <= | > | >= | = | !=) VALUE

NAME is a fact of a run as `run_facts` calls it; VALUE is a number, a word, or a text in double quotes. A run that does
not have the fact does not pass, whatever the condition.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from falaj.core.errors import UsageError
from falaj.schemas.run_facts import value_of

_CONDITION = re.compile(
    r'\s*(?P<name>[A-Za-z][\w.:\[\]=,-]*?)\s*(?P<op><=|>=|!=|==|=|<|>)\s*(?P<value>"[^"]*"|[^\s"<>=!]+)\s*'
)
_AND = re.compile(r"and\s+")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "==": operator.eq,
    "!=": operator.ne,
}  # fmt: skip
_KINDS = ("param", "metric", "gate", "data")
_ALONE = ("state", "trigger", "commit", "project", "release")
EXAMPLE = "gate.brier < 0.2 and param.depth > 3"


class RunFilterError(UsageError):
    """A filter cannot be read."""

    code = "run.filter"


@dataclass(frozen=True)
class Condition:
    """One comparison.

    Attributes:
        name: Of the fact.
        op: `<`, `<=`, `>`, `>=`, `=` or `!=`.
        value: A number or a text.
    """

    name: str
    op: str
    value: float | str

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Whether it is so of a run with these facts."""
        actual = value_of(facts, self.name)
        if actual is None:
            return False
        if isinstance(self.value, float):
            number = isinstance(actual, int | float) and not isinstance(actual, bool)
            return number and _OPERATORS[self.op](actual, self.value)
        text = str(actual).lower() if isinstance(actual, bool) else str(actual)
        return _OPERATORS[self.op](text, self.value)


def parse_filter(text: str) -> tuple[Condition, ...]:
    """Read a filter.

    Args:
        text: For example `gate.brier < 0.2 and param.depth > 3`.

    Raises:
        RunFilterError: With the place and what was expected.
    """
    conditions, place = [], 0
    while True:
        match = _CONDITION.match(text, place)
        if match is None:
            raise _wrong(text, place, f"NAME < VALUE, such as {EXAMPLE}")
        conditions.append(_condition(text, match))
        place = match.end()
        if place == len(text):
            return tuple(conditions)
        following = _AND.match(text, place)
        if following is None:
            raise _wrong(text, place, "`and` and another condition")
        place = following.end()


def passes(conditions: tuple[Condition, ...], facts: Mapping[str, Any]) -> bool:
    """Whether all conditions hold of a run with these facts."""
    return all(condition.holds(facts) for condition in conditions)


def _condition(text: str, match: re.Match[str]) -> Condition:
    name, value = match["name"], match["value"]
    kind, dot, rest = name.partition(".")
    if name not in _ALONE and not (kind in _KINDS and dot and rest):
        names = ", ".join((*(f"{each}.NAME" for each in _KINDS), *_ALONE))
        raise _wrong(text, match.start("name"), f"one of {names}")
    number = kind in (*_KINDS, "release") and _NUMBER.fullmatch(value)
    return Condition(name, match["op"], float(value) if number else value.strip('"'))


def _wrong(text: str, place: int, expected: str) -> RunFilterError:
    shown = text[place : place + 20] or "the end"
    message = f"the filter cannot be read at {shown!r}"
    return RunFilterError(message, where=f"character {place + 1}", hint=f"expected {expected}")
