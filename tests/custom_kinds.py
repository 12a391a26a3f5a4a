"""A strict structural check of Kubernetes objects of custom kinds, against the definitions of their projects.

`FALAJ_CRDS` names a folder of CustomResourceDefinitions. What an API server would prune or refuse is a problem here:
unknown fields, wrong types, values outside of enums, ranges, patterns and lengths, missing fields, repeated keys.
Rules in CEL and admission webhooks are not looked at: a pass is necessary, not sufficient.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Schema = Mapping[str, Any]
_META = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253},
        "generateName": {"type": "string"},
        "namespace": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "labels": {
            "type": "object",
            "additionalProperties": {
                "type": "string", "pattern": r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", "maxLength": 63
            },
        },
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}},
        "ownerReferences": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    },
}  # fmt: skip
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float)
}  # fmt: skip
_ENOUGH: Mapping[str, Callable[[int, int], bool]] = {
    "oneOf": lambda holding, _: holding == 1,
    "anyOf": lambda holding, _: holding >= 1,
    "allOf": lambda holding, number: holding == number,
}
_QUANTITY = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?")


def definitions() -> Path:
    """The folder of definitions; the test is skipped by name where there is none."""
    folder = Path(os.environ.get("FALAJ_CRDS", ""))
    if not os.environ.get("FALAJ_CRDS") or not folder.is_dir():
        pytest.skip("FALAJ_CRDS names no folder of CustomResourceDefinitions: objects of custom kinds are not checked")
    return folder


def problems(document: Mapping[str, Any], folder: Path | None = None) -> list[str]:
    """What is wrong with an object, each problem with its path."""
    version, kind = document.get("apiVersion", ""), document.get("kind", "")
    schema = _schemas(folder or definitions()).get((version, kind))
    if schema is None:
        return [f"there is no definition of {version} {kind}"]
    root = {**schema, "properties": {**schema["properties"], "metadata": _META}}
    metadata = document.get("metadata")
    nameless = not isinstance(metadata, Mapping) or not metadata.get("name")
    return [*_object(document, root, ""), *([".metadata.name: missing"] if nameless else ())]


@cache
def _schemas(folder: Path) -> dict[tuple[str, str], Schema]:
    """By apiVersion and kind; only versions that are served."""
    schemas = {}
    for path in sorted(folder.rglob("*.yaml")):
        definition = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]
        for version in definition["versions"]:
            if version["served"]:
                key = f"{definition['group']}/{version['name']}", definition["names"]["kind"]
                schemas[key] = version["schema"]["openAPIV3Schema"]
    return schemas


def _value(value: object, schema: Schema, path: str) -> Iterator[str]:
    if value is None:
        yield from () if schema.get("nullable") else (f"{path}: is null",)
        return
    if schema.get("x-kubernetes-int-or-string"):
        yield from _int_or_string(value, schema, path)
        return
    kind = schema.get("type")
    if kind is None:
        return  # without a type only below what is preserved as it is
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: is not of the type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    yield from {"object": _object, "array": _array, "string": _string}.get(kind, _number)(value, schema, path)  # type: ignore[operator]


def _object(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name}: missing"
    yield from _count(len(value), schema, "Properties", path)
    for name, item in value.items():
        if name in properties:
            yield from _value(item, properties[name], f"{path}.{name}")
        elif isinstance(others, Mapping):
            yield from _value(item, others, f"{path}.{name}")
        elif not (others is True or schema.get("x-kubernetes-preserve-unknown-fields")):
            yield f"{path}.{name}: unknown field"
    yield from _branches(value, schema, path)


def _array(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    yield from _count(len(value), schema, "Items", path)
    for number, item in enumerate(value):
        yield from _value(item, schema.get("items", {}), f"{path}[{number}]")
    keys = schema.get("x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") == "map" and keys:
        defaults = {k: schema["items"]["properties"].get(k, {}).get("default") for k in keys}
        names = [tuple(item.get(key, defaults[key]) for key in keys) for item in value if isinstance(item, Mapping)]
        if len(set(names)) < len(names):
            yield f"{path}: two items have the same {', '.join(keys)}"
    if (schema.get("x-kubernetes-list-type") == "set" or schema.get("uniqueItems")) and len({*map(repr, value)}) < len(
        value
    ):
        yield f"{path}: an item is there twice"


def _string(value: str, schema: Schema, path: str) -> Iterator[str]:
    yield from _count(len(value), schema, "Length", path)
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            yield f"{path}: {value!r} is not a date and time"


def _number(value: float, schema: Schema, path: str) -> Iterator[str]:
    limits = {"int32": 2**31 - 1, "int64": 2**63 - 1}
    most = min(schema.get("maximum", float("inf")), limits.get(schema.get("format", ""), float("inf")))
    if value < schema.get("minimum", -float("inf")) or value > most:
        yield f"{path}: {value} is out of range"
    if schema.get("exclusiveMinimum") and value == schema["minimum"]:
        yield f"{path}: {value} is out of range"


def _int_or_string(value: object, schema: Schema, path: str) -> Iterator[str]:
    if not isinstance(value, int | str) or isinstance(value, bool):
        yield f"{path}: is neither a number nor text"
    elif isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"


def _count(count: int, schema: Schema, what: str, path: str) -> Iterator[str]:
    if not schema.get(f"min{what}", 0) <= count <= schema.get(f"max{what}", float("inf")):
        yield f"{path}: {what.lower()} {count} out of range"


def _branches(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    """What the branches of a schema ask for: only their `required` and `not`, the rest stands outside of them."""

    def fits(branch: Schema) -> bool:
        return all(name in value for name in branch.get("required", ())) and not (
            "not" in branch and fits(branch["not"])
        )

    for word, enough in _ENOUGH.items():
        branches = schema.get(word, ())
        readable = all({*branch} <= {"required", "not"} for branch in branches)
        if branches and readable and not enough(sum(map(fits, branches)), len(branches)):
            yield f"{path}: {word} of its branches does not hold"


def bad_quantities(document: object, path: str = "") -> list[str]:
    """Values of `resources` that no API server reads."""
    match document:
        case {"requests": Mapping() as requests, **rest}:
            groups = [("requests", requests), *((name, group) for name, group in rest.items() if name == "limits")]
            return [
                f"{path}.{g}.{n}: {v!r}"
                for g, items in groups
                for n, v in items.items()
                if not _QUANTITY.fullmatch(str(v))
            ]
        case Mapping():
            return [problem for name, item in document.items() for problem in bad_quantities(item, f"{path}.{name}")]
        case list():
            return [
                problem for number, item in enumerate(document) for problem in bad_quantities(item, f"{path}[{number}]")
            ]
        case _:
            return []


def images(document: object) -> list[str]:
    """Every image that an object names."""
    match document:
        case Mapping():
            own = [
                value for name, value in document.items() if name in ("image", "storageUri") and isinstance(value, str)
            ]
            return own + [image for item in document.values() for image in images(item)]
        case list():
            return [image for item in document for image in images(item)]
        case _:
            return []
