"""The project's own Python files, read as text: which modules and functions there are. Nothing is imported."""

from __future__ import annotations

import ast
import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SOURCE_ROOTS = ("src", "")
_SKIPPED = {"node_modules", "__pycache__", "venv", "build", "dist"}
_MOST_MODULES = 2000


@dataclass(frozen=True)
class FunctionSignature:
    """What can be given to a function.

    Attributes:
        names: Parameters that can be given by name, in order.
        required: Those without a default.
        keywords: Whether any other name is taken (`**kwargs`).
    """

    names: tuple[str, ...]
    required: frozenset[str]
    keywords: bool


@dataclass(frozen=True)
class ParsedModule:
    """One parsed file.

    Attributes:
        path: Relative to the project's folder.
        functions: Names that can be called; None where the signature cannot be known from the text.
        problem: Line and text of the syntax error, if it does not parse.
    """

    path: str
    functions: dict[str, FunctionSignature | None] = field(default_factory=dict)
    problem: tuple[int, str] | None = None


class ProjectSources:
    """The source files of a project; remembers what it read.

    Args:
        root: The project's folder.

    Attributes:
        read: Path, relative to the root, to the hex digest of the file that was read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read: dict[str, str] = {}
        self._modules: dict[str, ParsedModule | None] = {}

    def module(self, name: str) -> ParsedModule | None:
        """The module of that dotted name, in `src/` or beside the project file; None when there is none."""
        if name not in self._modules:
            module_path = next((path for path in _candidates(name) if (self.root / path).is_file()), None)
            self._modules[name] = None if module_path is None else self._parse(module_path)
        return self._modules[name]

    def modules(self) -> list[str]:
        """Names of the project's modules, at most 2,000."""
        return sorted({name for root in SOURCE_ROOTS for name in _walk(self.root / root)})

    def _parse(self, path: str) -> ParsedModule:
        data = (self.root / path).read_bytes()
        self.read[path] = hashlib.sha256(data).hexdigest()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(data)
        except SyntaxError as error:
            return ParsedModule(path, problem=(error.lineno or 1, error.msg))
        except (ValueError, RecursionError, MemoryError) as error:
            return ParsedModule(path, problem=(1, str(error) or "too deeply nested"))
        return ParsedModule(path, dict(_callables(tree.body)))


def _candidates(name: str) -> Iterator[str]:
    relative = name.replace(".", "/")
    for root in SOURCE_ROOTS:
        for suffix in (".py", "/__init__.py"):
            yield str(Path(root) / f"{relative}{suffix}")


def _walk(root: Path) -> Iterator[str]:
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name.isidentifier() and name not in _SKIPPED]
        package = Path(folder).relative_to(root).parts
        for file in sorted(name for name in files if name.endswith(".py")):
            parts = package if file == "__init__.py" else (*package, file.removesuffix(".py"))
            if parts:
                yield ".".join(parts)
            count += 1
        if count > _MOST_MODULES:
            return


def _callables(body: list[ast.stmt]) -> Iterator[tuple[str, FunctionSignature | None]]:
    """Names bound at a module's top level, also inside `if` and `try`."""
    for statement in body:
        match statement:
            case ast.FunctionDef():
                yield statement.name, None if statement.decorator_list else _signature(statement.args)
            case ast.ClassDef() | ast.AsyncFunctionDef():
                yield statement.name, None
            case ast.Import() | ast.ImportFrom():
                yield from ((alias.asname or alias.name, None) for alias in statement.names)
            case ast.Assign():
                yield from ((node.id, None) for node in statement.targets if isinstance(node, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, None
            case ast.If() | ast.Try():
                handlers = [each for handler in getattr(statement, "handlers", []) for each in handler.body]
                yield from ((name, None) for name, _ in _callables([*statement.body, *handlers, *statement.orelse]))
            case _:
                pass


def _signature(arguments: ast.arguments) -> FunctionSignature:
    positional = [argument.arg for argument in arguments.args]
    every = [*arguments.posonlyargs, *arguments.args]
    optional = {argument.arg for argument in every[len(every) - len(arguments.defaults) :]}
    keyword_only = [argument.arg for argument in arguments.kwonlyargs]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    optional |= {argument.arg for argument, default in pairs if default is not None}
    names = (*positional, *keyword_only)
    return FunctionSignature(names, frozenset(names) - optional, arguments.kwarg is not None)
