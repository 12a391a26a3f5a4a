"""Remembers which outputs a fingerprint gave, as refs in the artifact store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore, Digest

PREFIX = "steps/"


@dataclass(frozen=True)
class Output:
    """One output of a step.

    Attributes:
        digest: The artifact, always a tree: `data.parquet` of a table, `value.json` of JSON, the MLflow folder of
            a model, the file under its own name, or the folder's content.
        kind: `table`, `json`, `model`, `file` or `folder`.
    """

    digest: Digest
    kind: str


@dataclass(frozen=True)
class CacheEntry:
    """The result of a step.

    Attributes:
        node: The step that it was made by first.
        outputs: By name.
        metrics: Numbers of its reports.
        seconds: How long it took.
    """

    node: str
    outputs: Mapping[str, Output]
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def load(store: ArtifactStore, fingerprint: str) -> CacheEntry | None:
    """The result of a fingerprint; None when there is none or a part of it is not in the store."""
    text = store.get_ref(PREFIX + fingerprint)
    if text is None:
        return None
    try:
        value = json.loads(text)
        outputs = {name: Output(**output) for name, output in value.pop("outputs").items()}
        entry = CacheEntry(outputs=outputs, **value)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # written by another version, or damaged: the step runs again
    lost = [output.digest for output in outputs.values() if not store.has(output.digest)]
    for digest in lost:
        store.discard_damaged(digest)  # the step runs again: let it replace what is left
    return None if lost else entry


def save(store: ArtifactStore, fingerprint: str, entry: CacheEntry) -> CacheEntry:
    """Remember a result whose outputs are in the store already; the one that was remembered first is the result.

    Args:
        store: Where it is remembered.
        fingerprint: Of the step.
        entry: Its result here.

    Returns:
        The result that counts: this one, or that of whoever ran the same step and was faster.
    """
    data = json.dumps(vars(entry), default=vars).encode()
    if store.create_ref(PREFIX + fingerprint, data):
        return entry
    first = load(store, fingerprint)
    if first is None:  # what is there cannot be read, or a part of it is gone
        store.set_ref(PREFIX + fingerprint, data)
    return first or entry


def forget(store: ArtifactStore, fingerprint: str) -> None:
    """Let the step run again, because its result is damaged."""
    store.delete_ref(PREFIX + fingerprint)


def roots(store: ArtifactStore) -> Iterator[Digest]:
    """Artifacts that cached results and snapshots refer to; garbage collection must keep them."""
    for ref in store.refs(PREFIX):
        value = json.loads(store.get_ref(ref) or b"{}")
        yield from (output["digest"] for output in value.get("outputs", {}).values())
    for ref in store.refs("sources/"):
        value = json.loads(store.get_ref(ref) or b"{}")
        if "digest" in value:
            yield value["digest"]
