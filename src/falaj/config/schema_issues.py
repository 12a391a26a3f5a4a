"""Turns the schema's errors into issues with a place, what was expected and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from falaj.config.errors import Issue, nearest
from falaj.config.fields import PATTERN_WORDS, shown
from falaj.config.yaml_reader import Document, Path

_KEY = "[key]"
_EXPECTED = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "text (in quotes, if it looks like a number)",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "too_short": "at least one",
    "string_too_short": "text",
    "string_too_long": "shorter text",
}


def issues_of(error: ValidationError, document: Document, schema: Mapping[str, Any]) -> list[Issue]:
    """One issue for each error.

    Args:
        error: What pydantic found.
        document: The file, for places.
        schema: Its JSON Schema, for the names that are valid.
    """
    issues_by_place: dict[tuple[Path, str], Issue] = {}
    for each in error.errors(include_url=False):
        issue = _issue(dict(each), document, schema)
        issues_by_place.setdefault((_path(document, each["loc"]), issue.message), issue)
    return list(issues_by_place.values())


def _issue(error: dict[str, Any], document: Document, schema: Mapping[str, Any]) -> Issue:
    path = _path(document, error["loc"])
    kind, value, details = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "missing":
        return document.issue(path, f"`{path[-1]}` is missing", _description(schema, path))
    if kind == "extra_forbidden":
        if isinstance(path[-1], int):
            return _unknown_item(document, path, list(_names(schema, path[:-1])))
        valid = list(_names(schema, path[:-1]))
        expected = f"one of {', '.join(valid)}" if valid else "nothing here"
        return document.issue(
            path, f"there is no key `{path[-1]}`", expected, nearest(str(path[-1]), valid), of_key=True
        )
    if kind == "falaj":
        return _located(document, path, details)
    of_key = _KEY in error["loc"]
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", details["expected"])
        near = nearest(value, valid) if isinstance(value, str) else None
        return document.issue(path, f"{shown(value)} is not known", f"one of {', '.join(valid)}", near, of_key=of_key)
    expected = _EXPECTED.get(kind) or PATTERN_WORDS.get(details.get("pattern", "")) or _sentence(error["msg"])
    return document.issue(path, f"{shown(value)} is not valid here", expected, of_key=of_key)


def _unknown_item(document: Document, path: Path, valid: list[str]) -> Issue:
    """An item of the short form of a mapping: a check in a list of checks, a pack in a list of packs."""
    name = str(_value(document.value, path))
    what = "pack" if path[0] == "policy_packs" else "check"
    expected = f"one of {', '.join(valid)}"
    return document.issue(path, f"there is no {what} {name[:60]!r}", expected, nearest(name, valid))


def _value(value: Any, path: Path) -> Any:
    for part in path:
        value = _child(value, part)
    return value


def _located(document: Document, path: Path, details: Mapping[str, Any]) -> Issue:
    """An issue of our own validators; a gate's says at which character."""
    issue = document.issue(path, details["message"], details["expected"], details.get("suggestion"))
    column = issue.column + int(details.get("offset", 0))
    return Issue(issue.file, issue.line, column, issue.field, issue.message, issue.expected, issue.suggestion)


def _sentence(message: str) -> str:
    return message.removeprefix("Input should be ").removeprefix("Value should have ")


def _path(document: Document, loc: tuple[Any, ...]) -> Path:
    """The path in the document; a check that is an item of a list is found by its name."""
    path: Path = ()
    value = document.value
    for part in loc:
        if part == _KEY:
            continue
        if isinstance(value, list) and isinstance(part, str):
            if part not in value:
                continue
            part = value.index(part)
        path = (*path, part)
        value = _child(value, part)
    return path


def _child(value: Any, part: Any) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _names(schema: Mapping[str, Any], path: Path) -> Iterator[str]:
    """The keys that are valid in the mapping at a path."""
    for each in _at(schema, path):
        yield from each.get("properties", {})


def _description(schema: Mapping[str, Any], path: Path) -> str:
    for parent in _at(schema, path[:-1]):
        description = str(parent.get("properties", {}).get(path[-1], {}).get("description", ""))
        if description:
            return description[0].lower() + description[1:].rstrip(".")
    return ""


def _at(schema: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    """The schemas that may describe the value at a path."""
    branches = list(_branches(schema, schema))
    for part in path:
        below = [child for each in branches for child in _below(each, part)]
        branches = [branch for child in below for branch in _branches(schema, child)]
    return branches


def _below(schema: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, int):
        candidates = [schema.get("items")]
    else:
        named = schema.get("properties", {}).get(part)
        candidates = [named] if named else [schema.get("additionalProperties"), *_by_pattern(schema)]
    yield from (each for each in candidates if isinstance(each, Mapping))


def _by_pattern(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from schema.get("patternProperties", {}).values()


def _branches(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema with references and alternatives resolved."""
    if "$ref" in schema:
        yield from _branches(root, root["$defs"][schema["$ref"].rpartition("/")[2]])
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _branches(root, each)
    else:
        yield schema
