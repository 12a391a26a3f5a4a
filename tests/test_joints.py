"""How rooms hold together: imports stand at the top, records have names, signatures say what they take and give.

Each ceiling is what the tree has now. It goes down with the figure, and never up.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.test_naming import files

_BAGS = {"data", "plan"}
"""Columns of rows that hold documents: looked into by key, they are records that nobody wrote down."""


def inner_imports(tree: ast.AST) -> int:
    """Imports inside of functions; one in a function of a function counts for both."""
    return sum(isinstance(node, ast.Import | ast.ImportFrom) for f in _functions(tree) for node in ast.walk(f))


def text_lookups(tree: ast.AST) -> int:
    """Look-ups by text in columns that hold documents, outside of the class that has the column."""
    return sum(
        isinstance(n, ast.Subscript) and isinstance(n.value, ast.Attribute) and n.value.attr in _BAGS
        and not (isinstance(n.value.value, ast.Name) and n.value.value.id == "self")
        and isinstance(n.slice, ast.Constant) and isinstance(n.slice.value, str)
        for n in ast.walk(tree)
    )  # fmt: skip


def vague_signatures(tree: ast.AST) -> tuple[int, int]:
    """How many signatures have `Any`, `object`, a bare `dict` or `list`, and how many there are."""
    functions = list(_functions(tree))
    return sum(any(map(_is_vague, _annotations(function))) for function in functions), len(functions)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    yield from (each.annotation for each in every if each is not None and each.annotation is not None)
    if function.returns is not None:
        yield function.returns


def _is_vague(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.Name) and annotation.id in ("dict", "list", "object"):
        return True
    return any(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation))


@pytest.fixture(scope="module")
def trees() -> list[ast.AST]:
    return [ast.parse(path.read_text()) for path in files("src")]


@pytest.mark.parametrize(("figure", "ceiling"), [(inner_imports, 251), (text_lookups, 17)])
def test_a_figure_does_not_grow(trees: list[ast.AST], figure: Callable[[ast.AST], int], ceiling: int) -> None:
    assert sum(map(figure, trees)) <= ceiling


def test_signatures_do_not_say_less(trees: list[ast.AST]) -> None:
    vague, functions = map(sum, zip(*map(vague_signatures, trees), strict=True))
    assert vague / functions <= 0.192


def test_what_is_counted() -> None:
    tree = ast.parse("def f(a: Any) -> dict:\n    import x\n    return a.data['b'] + a.plan['c'] + a.data[0]")
    assert (inner_imports(tree), text_lookups(tree), vague_signatures(tree)) == (1, 2, (1, 1))
