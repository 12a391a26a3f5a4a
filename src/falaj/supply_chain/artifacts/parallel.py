"""Doing one thing for many objects, several at a time where the back end gains from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(workers: int, action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Results of an action for every item, in order; the first failure stops what has not begun.

    Args:
        workers: Threads; 1 means the caller's own.
        action: What to do with one item.
        items: The items.
    """
    if workers == 1:
        return [action(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(action, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
