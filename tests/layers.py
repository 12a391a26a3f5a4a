"""The layers of the suite, and the guard of the first: unit tests start no process, open no connection, never sleep.

What is not marked is a unit test. `integration` marks tests with a database, another process or a socket; `e2e`,
`faults` and the areas mark those of the installed platform. All tests of a room lie together, whatever their layer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.areas import AREAS

ABOVE_UNIT = ("integration", "e2e", "faults", *AREAS)
"""Marks of tests that need more than this process."""
FORBIDDEN = frozenset({
    "subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.connect", "socket.bind", "sqlite3.connect",
})  # fmt: skip
"""Audit events (PEP 578) that no unit test raises."""
_running = {"unit": False}


class NotAUnitTestError(AssertionError):
    """A test without a mark does what only tests of other layers may."""


def pytest_configure() -> None:
    """Watch what tests do; an audit hook cannot be taken away, so it asks whether a unit test is running."""
    sys.addaudithook(_refuse)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run a test under the guard of its layer."""
    with _guarded(unit=is_unit(item)):
        return (yield)


def is_unit(item: pytest.Item) -> bool:
    """Whether a test is of the first layer."""
    return not any(item.get_closest_marker(mark) for mark in ABOVE_UNIT)


@contextmanager
def _guarded(*, unit: bool) -> Iterator[None]:
    sleep, before = time.sleep, _running["unit"]
    _running["unit"] = unit
    if unit:
        time.sleep = _never
    try:
        yield
    finally:
        time.sleep, _running["unit"] = sleep, before


def _never(*_: object) -> None:
    raise NotAUnitTestError("a unit test sleeps: pass the clock in, or mark it `integration`")


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event in FORBIDDEN and _running["unit"]:
        raise NotAUnitTestError(f"a unit test does {event}: mark it `integration`")
