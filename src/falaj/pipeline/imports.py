"""Which of a project's own files a module reaches by its imports, read from the source text without running it.

Every import counts, wherever it stands: at the top, in a function, under `TYPE_CHECKING`. A module that builds
names at run time (`importlib.import_module(name)`) reaches the whole project, because what it imports cannot
be known. Too much is hashed rather than too little: a needless re-run is cheap, a stale result is not.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_FOREIGN = {"site-packages", "node_modules", "__pycache__"}


class Code(Protocol):
    """A project's source text, by dotted module name."""

    def find(self, module: str) -> Module | None:
        """The project's own module of that name; None for the standard library and installed packages."""

    def modules(self) -> Iterable[str]:
        """Names of all modules of the project."""


@dataclass(frozen=True)
class Module:
    """One source file.

    Attributes:
        name: Dotted name.
        path: Relative to the worktree.
        text: The file's bytes.
        package: Whether it is a package's `__init__`.
    """

    name: str
    path: str
    text: bytes
    package: bool


def closure(module: str, code: Code) -> dict[str, bytes]:
    """The project's files that importing `module` can reach.

    Args:
        module: Dotted name of the module where a step's function is defined.
        code: The project's source.

    Returns:
        Content by path, `module` itself and the packages around it included. Empty when `module` is installed
        rather than part of the project.
    """
    return _follow([*_with_parents(module)], code)


def script_closure(folder: Path, script: str, code: Code) -> dict[str, bytes]:
    """A file that a command names and, when it is Python, the project's files that running it can reach.

    Args:
        folder: The project's folder.
        script: Path of the file, relative to it.
        code: The project's source; modules beside the script are found as well.
    """
    path = folder / script
    found = {path.relative_to(folder).as_posix() if path.is_relative_to(folder) else script: path.read_bytes()}
    if path.suffix == ".py":
        entry = Module("__main__", script, path.read_bytes(), package=False)
        for place in (code, Checkout(folder, (path.parent,))):
            found |= _follow([*_reached(entry, place)], place)
    return found


def _follow(waiting: list[str], code: Code) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        entry = code.find(name)
        if entry is not None:
            found[entry.path] = entry.text
            waiting.extend(_reached(entry, code))
    return found


def _reached(entry: Module, code: Code) -> Iterator[str]:
    """Names that a module imports, as full dotted names; some may be attributes rather than modules."""
    try:
        tree = ast.parse(entry.text)
    except (SyntaxError, ValueError):
        return  # the step itself will report it; its bytes are part of the fingerprint all the same
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _with_parents(alias.name)
            case ast.ImportFrom():
                yield from _from_import(node, entry, code)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                if called in ("import_module", "__import__"):
                    yield from _dynamic(node, code)


def _from_import(node: ast.ImportFrom, entry: Module, code: Code) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        parts = entry.name.split(".")
        drop = node.level - (1 if entry.package else 0)
        base = ".".join([*parts[: len(parts) - drop], *([node.module] if node.module else [])])
    yield from _with_parents(base)
    for alias in node.names:
        if alias.name == "*":
            yield from (name for name in code.modules() if name.startswith(f"{base}."))
        else:
            yield f"{base}.{alias.name}" if base else alias.name


def _dynamic(node: ast.Call, code: Code) -> Iterable[str]:
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
        return _with_parents(first.value)
    return code.modules()


def _with_parents(module: str) -> list[str]:
    """`a.b.c` gives `a`, `a.b`, `a.b.c`: importing a module runs every package around it."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


class Checkout:
    """The source text of a worktree, read once per file.

    Args:
        worktree: The project's folder.
        roots: Folders that imports are searched in, most important first.
    """

    def __init__(self, worktree: Path, roots: tuple[Path, ...]) -> None:
        self._worktree = worktree
        self._roots = roots
        self._read: dict[str, Module | None] = {}

    def find(self, module: str) -> Module | None:
        """The project's own module of that name, or None."""
        if module not in self._read:
            self._read[module] = self._load(module) if module else None
        return self._read[module]

    def modules(self) -> Iterator[str]:
        """Names of all modules below the roots, without hidden folders and environments."""
        for root in self._roots:
            for folder, below, files in os.walk(root):
                below[:] = [name for name in below if not name.startswith(".") and name not in _FOREIGN]
                package = [part for part in Path(folder).relative_to(root).parts if part != "."]
                for name in files:
                    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a path for each file takes long
                    if suffix == ".py":
                        yield ".".join(package if stem == "__init__" else [*package, stem])

    def _load(self, module: str) -> Module | None:
        relative = module.replace(".", "/")
        for root in self._roots:
            for suffix, package in (("/__init__.py", True), (".py", False)):
                path = root / f"{relative}{suffix}"
                if path.is_file():
                    place = path.relative_to(self._worktree).as_posix()
                    return Module(module, place, path.read_bytes(), package)
        return None
