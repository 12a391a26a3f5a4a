"""SECURITY.md names a test for each thing that it says somebody cannot do, and says first what stays open."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
NAMED = re.compile(r"`(tests/[^`:]+)(?:::(\w+))?`")


def lines_of(heading: str) -> list[str]:
    """The rows of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def names_of_tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("heading", ["Whom we do not trust", "Attacks that once got through"])
def test_each_line_names_its_test(heading: str) -> None:
    assert len(lines_of(heading)) > 10
    assert [line for line in lines_of(heading) if not NAMED.search(line)] == []


def test_every_test_that_is_named_is_there() -> None:
    for path, name in NAMED.findall(PAGE):
        place = ROOT / path
        files = [place] if place.is_file() else sorted(place.rglob("test_*.py"))
        assert files, f"there is no {path}"
        assert any(names_of_tests(file) for file in files), f"{path} holds no test"
        assert not name or name in names_of_tests(place), f"{path} holds no {name}"


def test_what_stays_open_is_told_first() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE)[0] == "What stays open"
