"""Figures that steps leave: which they are, and copies for the tracker. They are files, and nothing here opens one."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from falaj.build.pipeline.mlflow_files import Recorded
from falaj.build.pipeline.node_files import safe_name
from falaj.core.errors import FalajError
from falaj.supply_chain.artifacts import ArtifactStore, Digest

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".svg", ".pdf", ".html"})
MAX_FIGURES = 100
"""Of one step; others stay in its outputs and are not listed."""
MAX_TRACKED_BYTES = 20 << 20
"""A larger one is not copied to the tracker."""
_MODEL = "MLmodel"

logger = logging.getLogger(__name__)


def figures_of(store: ArtifactStore, outputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The figures among the outputs of a step: which output, the file in it, and its size.

    Args:
        store: Has the outputs.
        outputs: Digest by name of the output.
    """
    figures = [figure for name, digest in outputs.items() for figure in _figures(store, name, digest)]
    return figures[:MAX_FIGURES]


def _figures(store: ArtifactStore, output: str, digest: str) -> Iterable[dict[str, Any]]:
    try:
        files = store.manifest(Digest(digest)).files
    except FalajError:  # damaged: whoever reads the output says so
        return
    if any(PurePosixPath(file.path).name == _MODEL for file in files):
        return
    for file in files:
        if PurePosixPath(file.path).suffix.lower() in SUFFIXES:
            yield {"output": output, "path": file.path, "bytes": file.size, "digest": digest}


def figure_name(figure: Mapping[str, Any]) -> str:
    """`roc.svg`, or `curves/roc.svg` for one of a named output."""
    only = figure["output"] == "output"
    return str(figure["path"] if only else f"{figure['output']}/{figure['path']}")


def track_figures(
    store: ArtifactStore, node: str, outputs: Mapping[str, str], record: Callable[[str, Recorded], None]
) -> None:
    """Give copies of a step's figures to the tracker, below `figures/NODE`; one that is damaged costs the run nothing.

    Args:
        store: Has the outputs.
        node: The step.
        outputs: Digest by name of the output.
        record: Takes what a step recorded.
    """
    small = [figure for figure in figures_of(store, outputs) if figure["bytes"] <= MAX_TRACKED_BYTES]
    try:
        with tempfile.TemporaryDirectory(prefix="falaj-figures-") as folder:
            for figure in small:
                target = Path(folder) / "figures" / safe_name(node) / figure_name(figure)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(store.read_bytes(Digest(figure["digest"]), figure["path"]))
            if small:
                record(node, Recorded({}, {}, (), Path(folder)))
    except (FalajError, OSError) as error:
        logger.warning("figures of %s were not tracked: %s", node, error)
