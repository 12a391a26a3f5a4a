"""Coverage counts what a property test calls, not the library that makes its examples, which is most of the work."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Trace the lines of each example of a property test, and none between them."""
    tracer = sys.gettrace()
    property_test = getattr(getattr(item, "obj", None), "hypothesis", None)
    if tracer is None or property_test is None:
        return (yield)
    written = property_test.inner_test
    property_test.inner_test = _traced(written, tracer)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        property_test.inner_test = written


def _traced(test: Callable[..., Any], tracer: Any) -> Callable[..., Any]:
    @functools.wraps(test)
    def call(*arguments: Any, **keywords: Any) -> Any:
        sys.settrace(tracer)
        try:
            return test(*arguments, **keywords)
        finally:
            sys.settrace(None)

    return call
