"""Finds every stable error code: those of the error classes, and those that a single place gives to its error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import falaj
from falaj.core.errors import FalajError

SOURCES = Path(falaj.__file__).parent


@dataclass(frozen=True)
class ErrorText:
    """What an error says.

    Args:
        meaning: The class's first sentence, or the messages of the places that make it.
        status: HTTP status of the answer.
        exit_code: Of a command; None when no command ends with this error.
    """

    meaning: str
    status: int
    exit_code: int | None


def error_codes() -> dict[str, ErrorText]:
    """Every code with what it says."""
    classes = error_classes()
    entries_by_code = {**_answers(), **{kind.code: _of_class(kind, classes) for kind in reversed(classes.values())}}
    by_class = set(entries_by_code)
    for path in sorted(SOURCES.rglob("*.py")):
        for code, code_entry in _coded_errors(path, classes):
            first_entry = entries_by_code.setdefault(code, code_entry)
            if code not in by_class and code_entry.meaning not in first_entry.meaning:
                entries_by_code[code] = replace(first_entry, meaning=f"{first_entry.meaning}; {code_entry.meaning}")
    return entries_by_code


def error_classes() -> dict[str, type[FalajError]]:
    """`FalajError` and the tree below it by class name, after importing every module that adds to it."""
    for path in SOURCES.rglob("*.py"):
        if re.search(r"^class \w+Error\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            import_module(".".join(path.relative_to(SOURCES.parent).with_suffix("").parts))
    return {kind.__name__: kind for kind in _tree(FalajError)}


def _tree(kind: type[FalajError]) -> Iterator[type[FalajError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _of_class(kind: type[FalajError], classes: Mapping[str, type[FalajError]]) -> ErrorText:
    is_answer = issubclass(kind, classes["RequestError"])
    return ErrorText(_first_sentence(kind), kind.status, None if is_answer else kind.exit_code)


def _first_sentence(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split()).partition(" Codes:")[0]


def _answers() -> dict[str, ErrorText]:
    """Answers that no error class stands for: the gateway's own, and the server's to what it did not expect."""
    from falaj.dataplane.runtimes.process.envoy import config

    return {
        **{code: ErrorText(title, status, None) for status, (code, title, _) in config._PROBLEMS.items()},
        "request.invalid": ErrorText("The request does not fit the route's parameters or document.", 400, 2),
        "server.unexpected": ErrorText("The server failed on this request; its log says why.", 500, 1),
    }


def _coded_errors(path: Path, classes: Mapping[str, type[FalajError]]) -> Iterator[tuple[str, ErrorText]]:
    """The errors of one module that are made with a code of their own."""
    for code, message, kind, status in _places(path, classes):
        yield code, _error_text(message, kind, status)


def places_of(code: str) -> list[tuple[type[FalajError], int | None]]:
    """Each place that makes an error with this code: the error's class, and its status where the place gives one."""
    return _all_places().get(code, [])


@cache
def _all_places() -> dict[str, list[tuple[type[FalajError], int | None]]]:
    places: dict[str, list[tuple[type[FalajError], int | None]]] = {}
    classes = error_classes()
    for path in sorted(SOURCES.rglob("*.py")):
        for code, _, kind, status in _places(path, classes):
            places.setdefault(code, []).append((kind, status))
    return places


def _places(
    path: Path, classes: Mapping[str, type[FalajError]]
) -> Iterator[tuple[str, ast.expr, type[FalajError], int | None]]:
    in_evidence = "attestations" in path.parts
    for call in ast.walk(_Inline().visit(ast.parse(path.read_text(encoding="utf-8")))):
        match call:
            case ast.Call(func=ast.Name(id=name), args=[message, *_], keywords=keywords) if name in classes:
                named = {keyword.arg: _text(keyword.value) for keyword in keywords}
                if isinstance(code := named.get("code"), str) and "." in code:
                    yield code, message, classes[name], named.get("status")
            case ast.Call(func=ast.Name(id="Problem"), args=[ast.Constant(value=str(code)), *rest]):
                kind = classes["EvidenceError" if in_evidence else "StepError"]  # what a problem becomes at last
                yield code, rest[1 if in_evidence else 0], kind, None


class _Inline(ast.NodeTransformer):
    """Puts a message that was first given a name back where it is used."""

    def visit_FunctionDef(self, function: ast.FunctionDef) -> ast.FunctionDef:
        """Replace the names of one function's texts."""
        texts = {
            target.id: value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(value := node.value, ast.JoinedStr)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(function):
            if isinstance(call, ast.Call):
                call.args = [texts.get(each.id, each) if isinstance(each, ast.Name) else each for each in call.args]
        return function


def _error_text(message: ast.expr, kind: type[FalajError], status: Any) -> ErrorText:
    text = str(_text(message))
    return ErrorText(_first_sentence(kind) if text == "…" else text, status or kind.status, kind.exit_code)


def _text(node: ast.expr) -> Any:
    """A constant, or a message with `…` where a value will stand."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(str(_text(part)) for part in parts)
        case ast.BinOp(left=left_node, right=right):
            return f"{_text(left_node)}{_text(right)}"
        case _:
            return "…"
