"""The page that tells where things are: its names exist."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.order_of_modules import PAGE, described

ANSWERS = re.findall(r"\| (?P<question>[^|]+\?) \| `(?P<module>[\w.]+):(?P<name>\w+)` \|", PAGE.read_text())


@pytest.mark.parametrize(("question", "module", "name"), ANSWERS, ids=[question for question, *_ in ANSWERS])
def test_the_answer_is_there(question: str, module: str, name: str) -> None:
    assert hasattr(import_module(module), name), f"where is {question}"


def test_there_are_twenty_questions() -> None:
    assert len(ANSWERS) == 20


def test_both_ways_are_described() -> None:
    assert described("What one prediction goes through")
    assert described("What one run goes through")
