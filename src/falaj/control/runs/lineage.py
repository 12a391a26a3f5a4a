"""What came from what in a run: steps from what they read, artifacts from the steps that made them (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from falaj.build.pipeline import PipelineResult, StepState
from falaj.config.spec import ProjectSpec
from falaj.control.runs.contract import RunSpec
from falaj.trust.lineage import MADE_BY, PART_OF, REUSED, SNAPSHOT_OF, Edge, Node


def edges_of_run(
    order: RunSpec, spec: ProjectSpec, pipeline: PipelineResult, lock: str | None, part: str = ""
) -> Iterator[Edge]:
    """Every edge of a run, from what is later to what it came from.

    A step whose result an earlier run had made it reused: only who really made an artifact is its maker. A walk up
    would else lead from one release into every run that ever found the same artifact in the cache.

    Args:
        order: The run and its commit.
        spec: The project file of that commit.
        pipeline: What became of its steps; those that were not reached have read nothing.
        lock: Digest of the environment's lockfile; None where none was kept.
        part: Goes before the names of steps, where the pipeline ran a second time.
    """
    run = Node("run", order.run_id)
    yield Edge(run, "ran", Node("commit", order.commit))
    if lock:
        yield Edge(run, "ran in", Node("lock", lock))
    for source, snapshot in pipeline.snapshots.items():
        yield Edge(Node("artifact", str(snapshot.digest)), SNAPSHOT_OF, Node("source", f"{spec.model}/{source}"))
    outputs = {name: str(digest) for name, digest in pipeline.outputs.items()}
    for name, result in pipeline.steps.items():
        if result.state is StepState.SKIPPED:
            continue
        step = Node("step", f"{order.run_id}/{part}{name}")
        yield Edge(step, PART_OF, run)
        yield from (
            Edge(step, "read", Node("artifact", each)) for each in _read(outputs, spec.steps[result.step].inputs)
        )
        output_nodes = [Node("artifact", str(digest)) for digest in result.outputs.values()]
        yield from (Edge(step, REUSED, each) if result.cached else Edge(each, MADE_BY, step) for each in output_nodes)


def edges_of_release(
    name: str, run: str, digest: str, packaged: str | None, evidence: Sequence[str], reference: str | None = None
) -> Iterator[Edge]:
    """The edges of a release.

    Args:
        name: `model@number`.
        run: Id of the run that made it.
        digest: Its model artifact.
        packaged: The artifact that the model was packaged from; None when it is not known.
        evidence: Digests of the envelopes that speak of it.
        reference: The artifact that its monitors compare with; None when there is none.
    """
    release, model = Node("release", name), Node("artifact", digest)
    yield Edge(release, MADE_BY, Node("run", run))
    yield Edge(release, "serves", model)
    if packaged and packaged != digest:
        yield Edge(model, "packaged from", Node("artifact", packaged))
    if reference:
        yield Edge(release, "compared with", Node("artifact", reference))
    yield from (Edge(release, "proved by", Node("evidence", each)) for each in evidence)


def _read(outputs: Mapping[str, str], inputs: Sequence[str]) -> Iterator[str]:
    """Digests of what a step reads; one with a matrix is read with all its cells."""
    for input_name in inputs:
        for name, digest in outputs.items():
            if name == input_name or name.startswith(f"{input_name}["):
                yield digest
