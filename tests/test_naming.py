"""Names: no bare participles, no class name that three rooms bear, no two modules that differ by an `s`."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "docs", "examples", "auditors")
BANNED = frozenset(
    "said told made held known taken kept judged looked wanted found wish asked seen given".split()  # noqa: SIM905
)


def files(folder: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in path.parts)


def bound(node: ast.AST) -> str:
    """The name that a node binds or declares; empty where it binds none."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name
        case ast.arg(arg=name) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return name
        case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
            return name
        case _:
            return ""


def banned_names(text: str) -> list[str]:
    return [name for node in ast.walk(ast.parse(text)) if (name := bound(node)).strip("_").lower() in BANNED]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_is_a_bare_participle(folder: str) -> None:
    assert {str(path): names for path in files(folder) if (names := banned_names(path.read_text()))} == {}


def test_every_kind_of_name_is_looked_at() -> None:
    assert banned_names("def f(found): return [said for said in found]") == ["found", "said"]
    assert banned_names("class A:\n    kept: int = 0\n    def __init__(self): self.made = 1") == ["kept", "made"]
    assert banned_names("import x as told\nlambda known: (asked := known)") == ["told", "known", "asked"]


def test_no_class_name_is_borne_by_three() -> None:
    trees = (ast.parse(path.read_text()) for path in files("src"))
    counts = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in counts.items() if count >= 3] == []


def test_no_two_modules_of_a_package_differ_by_an_s() -> None:
    stems = {path.with_suffix("") for path in files("src")} | {path.parent for path in files("src")}
    assert [str(stem) for stem in stems if stem.with_name(f"{stem.name}s") in stems] == []


def stale_arguments(node: ast.AST) -> list[str]:
    """Names that a docstring explains, and its function or class does not have."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    section = re.search(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", ast.get_docstring(node) or "", re.MULTILINE)
    names = re.findall(r"^    \**(\w+):", section[1], re.MULTILINE) if section else []
    there = {name for each in ast.walk(node) for name in (bound(each), getattr(each, "attr", ""))}
    return [f"{node.name}: {name}" for name in names if name not in there]


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_explain_what_there_is(folder: str) -> None:
    nodes = (node for path in files(folder) for node in ast.walk(ast.parse(path.read_text())))
    assert [stale for node in nodes for stale in stale_arguments(node)] == []


def test_an_argument_that_is_gone_is_named() -> None:
    text = 'def f(here):\n    """Do.\n\n    Args:\n        here: It.\n        gone: Not.\n    """'
    assert stale_arguments(ast.parse(text).body[0]) == ["f: gone"]


def messages(text: str) -> Iterator[str]:
    """Texts of a module that somebody may read: all but docstrings."""
    tree = ast.parse(text)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


FOREIGN = re.compile(r"(?<!there )(?<!which )\b(is|are) no (?!(longer|more|worse|less|better)\b)")
"""`'x' is no time`: not how English says that a value is invalid."""


def test_messages_are_plain_english() -> None:
    texts = {str(path): [text for text in messages(path.read_text()) if FOREIGN.search(text)] for path in files("src")}
    assert {path: foreign for path, foreign in texts.items() if foreign} == {}
    assert [bool(FOREIGN.search(text)) for text in ("'x' is no time", "there is no key", "is no longer there")] == [
        True, False, False,
    ]  # fmt: skip
