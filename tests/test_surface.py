"""The public surface: what a room exports is what its `__all__` says, all of it exists and all of it is described."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import falaj

SOURCES = Path(falaj.__file__).parent
MODULES = sorted(SOURCES.rglob("*.py"))


def name_of(path: Path) -> str:
    """Dotted name of a module file."""
    parts = path.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def bound_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module binds for others: what it defines, and what it takes from other modules of Falaj."""
    for node in body:
        match node:
            case ast.ImportFrom(module=module, names=names) if (module or "").startswith("falaj"):
                yield from (alias.asname or alias.name for alias in names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=inner):
                yield from bound_names(inner)


def public_names(path: Path) -> set[str]:
    """The bound names that do not begin with an underscore, without imports that serve the module's own code."""
    tree = ast.parse(path.read_text())
    names = {name for name in bound_names(tree.body) if not name.startswith("_")} - {"lazy_exports"}  # is `__getattr__`
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return names - (used - own) if own else names


def has_submodule(path: Path, name: str) -> bool:
    """Whether a room exports a module of its own by this name."""
    return path.with_name(f"{name}.py").exists() and name not in public_names(path)


ROOMS = [path for path in MODULES if path.name == "__init__.py" and "__all__" in path.read_text()]


def test_there_are_rooms_to_look_at() -> None:
    some = {"falaj.supply_chain.artifacts", "falaj.sdk", "falaj.supply_chain.attestations", "falaj.config"}
    assert some <= {name_of(path) for path in ROOMS}
    assert sum(len(import_module(name_of(path)).__all__) for path in ROOMS) > 100


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_a_room_exports_exactly_its_public_names(path: Path) -> None:
    exported = import_module(name_of(path)).__all__
    assert len(exported) == len(set(exported)), "a name is listed twice"
    assert {name for name in exported if not has_submodule(path, name)} - {"__version__"} == public_names(path)


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_every_exported_name_resolves_and_says_what_it_is(path: Path) -> None:
    room = import_module(name_of(path))
    for name in room.__all__:
        exported_object = getattr(room, name)
        if inspect.isclass(exported_object) or inspect.isfunction(exported_object):
            written = exported_object.__doc__ or ""
            assert written.strip(), f"{room.__name__}.{name} has no docstring"
            assert not written.startswith(f"{name}("), f"{room.__name__}.{name} has only the docstring of dataclass"


@pytest.mark.parametrize("room", [name_of(path) for path in ROOMS if "__getattr__ = " in path.read_text()])
def test_a_lazy_room_refuses_what_it_does_not_have(room: str) -> None:
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        import_module(room).nothing_of_this_name  # noqa: B018


def test_every_module_says_what_it_is_for() -> None:
    docstrings = {name_of(path): ast.get_docstring(ast.parse(path.read_text())) or "" for path in MODULES}
    assert [name for name, text in docstrings.items() if not text.strip()] == []
