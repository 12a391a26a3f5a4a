"""Which of a project's own files a module reaches, read from the source text without running it.

Every import counts, wherever it stands: at the top, in a function, under `TYPE_CHECKING`. So do the files that a text
in the code names, the files beside a module that asks where it lies, and the scripts that it starts. What cannot be
read from the text, such as the import of a name that is made at run time, is said with its place, and every module of
the project counts. Too much is hashed rather than too little: a needless re-run is cheap, a stale result is not.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from falaj.build.pipeline.source_facts import source_facts

_FOREIGN = frozenset(
    {
        "site-packages", "node_modules", "__pycache__", ".git", ".venv", ".tox", ".nox", ".falaj", ".mypy_cache",
        ".ruff_cache", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints", ".idea", ".vscode",
    }
)  # fmt: skip
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:\w+)?")
_LONGEST_PATH = 300


class Code(Protocol):
    """A project's source text, by dotted module name."""

    def find(self, module: str) -> ImportedModule | None:
        """The project's own module of that name; None for the standard library and installed packages."""

    def modules(self) -> Iterable[str]:
        """Names of all modules of the project."""

    def packages(self) -> frozenset[str]:
        """First parts of the names of the project's modules."""

    def named(self, path: str, texts: Iterable[str], folders: frozenset[str]) -> dict[str, str]:
        """Digests of the files that texts in a module name; of those below a folder where it stands for a path."""

    def beside(self, path: str) -> dict[str, str]:
        """Digests of every file in a module's folder and below."""

    def script(self, path: str) -> ImportedModule:
        """A file of the project as the main module."""

    def at(self, path: str) -> Code:
        """The same project as a script sees it: imports are looked for beside it."""


@dataclass(frozen=True)
class ImportedModule:
    """One source file.

    Attributes:
        name: Dotted name.
        path: Relative to the worktree; empty for a text that is no file.
        text: The file's bytes.
        package: Whether it is a package's `__init__`.
    """

    name: str
    path: str
    text: bytes
    package: bool


@dataclass(frozen=True)
class ImportReach:
    """What a step can read of the project.

    Attributes:
        files: Hex SHA-256 by path, relative to the worktree.
        unknown: Places in the code behind which anything may be read, each with what stands there.
    """

    files: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def __or__(self, other: ImportReach) -> ImportReach:
        """Both together."""
        return ImportReach(self.files | other.files, tuple(dict.fromkeys((*self.unknown, *other.unknown))))


def closure(module: str, code: Code) -> ImportReach:
    """The project's files that importing `module` can reach.

    Args:
        module: Dotted name of the module where a step's function is defined.
        code: The project's source.

    Returns:
        `module` itself and the packages around it included. Nothing when `module` is installed rather than part of the
        project.
    """
    return _follow(_with_parents(module), [], code)


def script_closure(script: str, code: Code) -> ImportReach:
    """A file that a command names and, when it is Python, the project's files that running it can reach.

    Args:
        script: Path of the file, relative to the worktree.
        code: The project's source; modules beside the script are found as well.
    """
    return _follow([], [script], code)


def text_closure(text: str, code: Code) -> ImportReach:
    """The project's files that running a text (`python -c`) can reach."""
    own = _own(ImportedModule("__main__", "", text.encode(), package=False), code)
    return ImportReach(own.files, own.unknown) | _follow([*own.modules], [*own.scripts], code)


@dataclass(frozen=True)
class _Own:
    """What one module reaches by itself: modules by name, scripts, files, and what cannot be followed."""

    modules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def _follow(modules: list[str], scripts: list[str], code: Code) -> ImportReach:
    files: dict[str, str] = {}
    unknown: list[str] = []
    visited: set[str] = set()
    waiting = [*modules, *(f"/{path}" for path in scripts)]  # no module's name has a slash
    while waiting:
        name = waiting.pop()
        if name in visited:
            continue
        visited.add(name)
        entry = code.script(name[1:]) if name.startswith("/") else code.find(name)
        if entry is None:
            continue
        own = _own(entry, code)
        if name.startswith("/") and own.modules:
            files |= _follow([*own.modules], [], code.at(name[1:])).files
        files |= {entry.path: _digest(entry.text), **own.files}
        unknown += own.unknown
        waiting += [*own.modules, *(f"/{path}" for path in own.scripts)]
    return ImportReach(files, tuple(dict.fromkeys(unknown)))


def _own(entry: ImportedModule, code: Code) -> _Own:
    if entry.name == "__main__" and entry.path and not entry.path.endswith(".py"):
        return _Own(unknown=(f"{entry.path} is not Python",))
    try:
        tree = ast.parse(entry.text)
    except (SyntaxError, ValueError):
        return _Own()  # the step itself will report it; its bytes are part of the fingerprint all the same
    facts = source_facts(tree)
    modules = [*_imported(tree, entry, code), *_modules_in(facts.texts, code)]
    if facts.unknown or facts.loads_objects:
        modules += code.modules()
    files = code.named(entry.path, facts.texts, facts.paths) | (code.beside(entry.path) if facts.asks_place else {})
    scripts = tuple(path for path in files if path.endswith((".py", ".sh")) and path != entry.path and facts.starts)
    place = entry.path or "the command"
    return _Own(tuple(modules), scripts, files, tuple(f"{place}:{each}" for each in facts.unknown))


def _modules_in(texts: Iterable[str], code: Code) -> Iterator[str]:
    """Modules of the project that texts name, as registries and entry points do."""
    packages = code.packages()
    for text in texts:
        if text.partition(".")[0].partition(":")[0] in packages and _DOTTED.fullmatch(text):
            yield from _with_parents(text.partition(":")[0])


def _imported(tree: ast.Module, entry: ImportedModule, code: Code) -> Iterator[str]:
    """Names that a module imports, as full dotted names; some may be attributes rather than modules."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _with_parents(alias.name)
            case ast.ImportFrom():
                yield from _from_import(node, entry, code)


def _from_import(node: ast.ImportFrom, entry: ImportedModule, code: Code) -> Iterator[str]:
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


def _with_parents(module: str) -> list[str]:
    """`a.b.c` gives `a`, `a.b`, `a.b.c`: importing a module runs every package around it."""
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    """Every file of a project's folder, without environments, compiled code and what tools keep for themselves."""
    for place, below, names in os.walk(folder):
        below[:] = sorted(
            name for name in below if name not in _FOREIGN and not Path(place, name, "pyvenv.cfg").exists()
        )
        yield from (Path(place, name) for name in sorted(names))


class ImportTree:
    """The source text of a worktree, read once per file.

    Args:
        worktree: The project's folder.
        roots: Folders that imports are searched in, most important first.
    """

    def __init__(self, worktree: Path, roots: tuple[Path, ...]) -> None:
        self._worktree = worktree
        self._roots = roots
        self._read: dict[str, ImportedModule | None] = {}
        self._digests: dict[Path, str] = {}
        self._packages: frozenset[str] | None = None

    def find(self, module: str) -> ImportedModule | None:
        """The project's own module of that name, or None."""
        if module not in self._read:
            self._read[module] = self._load(module) if module else None
        return self._read[module]

    def modules(self) -> Iterator[str]:
        """Names of all modules below the roots, without hidden folders and environments."""
        for root in self._roots:
            for path in files_below(root):
                if path.suffix == ".py":
                    package = path.relative_to(root).parent.parts
                    yield ".".join(package if path.stem == "__init__" else [*package, path.stem])

    def packages(self) -> frozenset[str]:
        """Names of modules and folders at the roots."""
        if self._packages is None:
            names = (each.name for root in self._roots for each in root.iterdir() if root.is_dir())
            self._packages = frozenset(name.removesuffix(".py") for name in names if not name.startswith("."))
        return self._packages

    def named(self, path: str, texts: Iterable[str], folders: frozenset[str]) -> dict[str, str]:
        """Digests of the files that texts in a module name, from its folder or any above."""
        bases = [self._worktree / parent for parent in PurePosixPath(path).parents]
        files: dict[str, str] = {}
        for text in texts:
            if 0 < len(text) <= _LONGEST_PATH and "\n" not in text and "\0" not in text and not text.startswith("/"):
                for base in bases:
                    files |= self._named(base, text, text in folders)
        return files

    def beside(self, path: str) -> dict[str, str]:
        """Digests of every file in a module's folder and below."""
        return self._below((self._worktree / path).parent)

    def script(self, path: str) -> ImportedModule:
        """A file of the project as the main module."""
        return ImportedModule("__main__", path, (self._worktree / path).read_bytes(), package=False)

    def at(self, path: str) -> ImportTree:
        """The same worktree with the folder of a script as the only root."""
        return ImportTree(self._worktree, ((self._worktree / path).parent,))

    def _named(self, base: Path, text: str, is_path: bool) -> dict[str, str]:
        target = Path(os.path.normpath(base / text))
        if not target.is_relative_to(self._worktree) or target == self._worktree:
            return {}
        if os.path.isfile(target):  # noqa: PTH113 - false, not an error, for names that no file can have
            return self._entry(target)
        if (is_path or "/" in text) and os.path.isdir(target):  # noqa: PTH112 - the same
            return self._below(target)
        if (is_path or "/" in text) and any(mark in text for mark in "*?["):
            return self._matching(base, text)
        return {}

    def _matching(self, base: Path, pattern: str) -> dict[str, str]:
        try:
            matching_files = [path for path in base.glob(pattern) if path.is_file()]
        except (ValueError, NotImplementedError, IndexError, OSError):  # no pattern of paths
            return {}
        return {
            name: digest for path in matching_files if self._counts(path) for name, digest in self._entry(path).items()
        }

    def _counts(self, path: Path) -> bool:
        parts = path.relative_to(self._worktree).parts if path.is_relative_to(self._worktree) else ("..",)
        return not any(part == ".." or part in _FOREIGN for part in parts)

    def _below(self, folder: Path) -> dict[str, str]:
        return {name: digest for path in files_below(folder) for name, digest in self._entry(path).items()}

    def _entry(self, path: Path) -> dict[str, str]:
        if path not in self._digests:
            try:
                self._digests[path] = digest_of(path)
            except OSError:  # a link that leads nowhere, a pipe
                return {}
        return {path.relative_to(self._worktree).as_posix(): self._digests[path]}

    def _load(self, module: str) -> ImportedModule | None:
        relative = module.replace(".", "/")
        for root in self._roots:
            for suffix, package in (("/__init__.py", True), (".py", False)):
                path = root / f"{relative}{suffix}"
                if path.is_file():
                    return self._module(module, path, package)
            folder = (root / relative).parent
            if module.partition(".")[0] in self.packages() and folder.is_dir():
                for path in sorted(folder.glob(f"{PurePosixPath(relative).name}.*so")):
                    return self._module(module, path, package=False)
        return None

    def _module(self, name: str, path: Path, package: bool) -> ImportedModule:
        return ImportedModule(name, path.relative_to(self._worktree).as_posix(), path.read_bytes(), package)
