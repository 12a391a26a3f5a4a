"""What came from what in a run: steps from what they read, artifacts from the steps that made them (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from falaj.governance.lineage import Edge, Node
from falaj.pipeline import PipelineResult
from falaj.project.spec import ProjectSpec
from falaj.runs.outcome import Order


def edges_of_run(order: Order, spec: ProjectSpec, pipeline: PipelineResult, lock: str | None) -> Iterator[Edge]:
    """Every edge of a run, from what is later to what it came from.

    Args:
        order: The run and its commit.
        spec: The project file of that commit.
        pipeline: What became of its steps.
        lock: Digest of the environment's lockfile; None without one.
    """
    run = Node("run", order.run_id)
    yield Edge(run, "ran", Node("commit", order.commit))
    if lock:
        yield Edge(run, "ran in", Node("lock", lock))
    for source, snapshot in pipeline.snapshots.items():
        yield Edge(Node("artifact", str(snapshot.digest)), "snapshot of", Node("source", f"{spec.model}/{source}"))
    outputs = {name: str(digest) for name, digest in pipeline.outputs.items()}
    for name in pipeline.steps:
        step = Node("step", f"{order.run_id}/{name}")
        yield Edge(step, "part of", run)
        inputs = spec.steps[name.partition("[")[0]].inputs
        yield from (Edge(step, "read", Node("artifact", digest)) for digest in _read(outputs, inputs))
        yield from (Edge(Node("artifact", digest), "made by", step) for digest in _made(outputs, name))


def edges_of_release(name: str, run: str, digest: str, packaged: str | None, evidence: Sequence[str]) -> Iterator[Edge]:
    """The edges of a release.

    Args:
        name: `model@number`.
        run: Id of the run that made it.
        digest: Its model artifact.
        packaged: The artifact that the model was packaged from; None when it is not known.
        evidence: Digests of the envelopes that speak of it.
    """
    release, model = Node("release", name), Node("artifact", digest)
    yield Edge(release, "made by", Node("run", run))
    yield Edge(release, "serves", model)
    if packaged and packaged != digest:
        yield Edge(model, "packaged from", Node("artifact", packaged))
    yield from (Edge(release, "proved by", Node("evidence", each)) for each in evidence)


def _read(outputs: Mapping[str, str], inputs: Sequence[str]) -> Iterator[str]:
    """Digests of what a step reads; one with a matrix is read with all its cells."""
    for wanted in inputs:
        for name, digest in outputs.items():
            if name == wanted or name.startswith(f"{wanted}["):
                yield digest


def _made(outputs: Mapping[str, str], node: str) -> Iterator[str]:
    """Digests of what a step, or a cell of its matrix, made."""
    for name, digest in outputs.items():
        if name == node or name.startswith(f"{node}."):
            yield digest
