"""What a skops file would import and call, read from its schema without loading it.

A skops file is an archive with a tree of nodes in `schema.json`; each node names a class or function and the kind of
node that makes it. Both decide here: the list of types that the file brings with it counts for nothing.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from .names import Import

NODES = frozenset(
    {
        "BytearrayNode", "BytesNode", "CachedNode", "ConstructorFromReduceNode", "DTypeNode", "DefaultDictNode",
        "DictNode", "FunctionNode", "JsonNode", "ListNode", "LossNode", "MaskedArrayNode", "NdArrayNode", "ObjectNode",
        "PartialNode", "RandomGeneratorNode", "RandomStateNode", "SetNode", "SliceNode", "SparseMatrixNode", "TreeNode",
        "TupleNode", "TypeNode",
    }
)  # fmt: skip
"""Kinds of nodes that make data, estimators and arrays; those that call methods or operators are not among them."""

OLDEST_PROTOCOL = 2
"""Older files name their types elsewhere in a node."""
LARGEST_SCHEMA_BYTES = 256_000_000
_STRUCTURE = frozenset({"builtins.NoneType", "numpy.ndarray"})


class NotASkopsFileError(ValueError):
    """The bytes are no skops file that can be looked into."""


def imports(file: BinaryIO) -> Iterator[Import]:
    """Every name that a skops file reaches, and every kind of node that is not on the list, as `skops.KIND`.

    Raises:
        NotASkopsFileError: It is none, an old one, or its schema is too large.
    """
    document = _schema(file)
    protocol = document.get("protocol")
    if not isinstance(protocol, int) or protocol < OLDEST_PROTOCOL:
        raise NotASkopsFileError(f"files of protocol {protocol!r} are not read")
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from _names(value)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _names(node: dict[str, Any]) -> Iterator[Import]:
    if "__loader__" in node and node["__loader__"] not in NODES:
        yield Import("skops", str(node["__loader__"]))
    if "__class__" in node or "__module__" in node:
        import_name = Import(str(node.get("__module__")), str(node.get("__class__")))
        if str(import_name) not in _STRUCTURE:
            yield import_name


def _schema(file: BinaryIO) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(file) as archive, archive.open("schema.json") as stream:
            text = stream.read(LARGEST_SCHEMA_BYTES + 1)
        document = json.loads(text) if len(text) <= LARGEST_SCHEMA_BYTES else None
    except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError, RecursionError) as error:
        raise NotASkopsFileError(str(error)) from error
    if not isinstance(document, dict):
        raise NotASkopsFileError("the schema is too large or no mapping")
    return document
