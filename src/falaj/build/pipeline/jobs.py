"""A step that is ready to run, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from falaj.build.pipeline.graph import StepNode

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import Digest


@dataclass(frozen=True)
class StepInput:
    """One artifact that a step reads.

    Attributes:
        label: The node it comes from, or the source.
        digest: The artifact.
        kind: `table`, `json`, `model`, `file` or `folder`.
        filename: Name of a file artifact; empty for a tree.
        read: Options of the reader.
    """

    label: str
    digest: Digest
    kind: str
    filename: str
    read: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A step that is ready to run.

    Attributes:
        node: Which.
        fingerprint: Name of its result.
        params: Its arguments, the matrix cell included.
        inputs: For each entry of the step's `inputs`, what is read.
        files: What it may read of the project, relative to the worktree; None for all of it.
        sources: Data sources that something of may be in what it reads.
    """

    node: StepNode
    fingerprint: str
    params: Mapping[str, Any]
    inputs: tuple[tuple[StepInput, ...], ...]
    files: tuple[str, ...] | None = None
    sources: frozenset[str] = frozenset()
