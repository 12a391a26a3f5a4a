"""Stories from rows, edges and evidence: where a prediction comes from, why an endpoint serves what it does (pure).

What evidence says is read here without its signatures being verified again: that was done before the release was made.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from falaj.schemas.lineage import ServedTime, TracedData, TracedEvidence, TracedStep
from falaj.storage import RunRow, StepRunRow
from falaj.supply_chain.attestations import DATASET, TRAIN, Envelope, EvidenceError, Statement, envelope_digest, short
from falaj.supply_chain.attestations.envelope import decode
from falaj.supply_chain.attestations.statement import parse_statement
from falaj.trust.lineage import MADE_BY, REUSED, Edge, Execution, LineageJob, Node, Served


def statements(envelopes: Iterable[Envelope]) -> Iterator[tuple[Statement, str]]:
    """What envelopes say, each with the digest of its envelope; what is no statement is left out."""
    for envelope in envelopes:
        try:
            yield parse_statement(json.loads(decode(envelope)[1])), envelope_digest(envelope)
        except (EvidenceError, ValueError):
            continue


def evidence_of(statement_pairs: Iterable[tuple[Statement, str]]) -> list[TracedEvidence]:
    """The kinds of statements, as people call them, each with the digest of its envelope."""
    return [TracedEvidence(short(each.predicate_type), digest) for each, digest in statement_pairs]


def author_of(statement_pairs: Iterable[tuple[Statement, str]]) -> str:
    """Who wrote the commit that a release was trained from; empty when its evidence does not say."""
    authors = (str(each.predicate.get("author", "")) for each, _ in statement_pairs if each.predicate_type == TRAIN)
    return next(authors, "")


def data_of(snapshots: Mapping[str, str], statement_pairs: Iterable[tuple[Statement, str]]) -> list[TracedData]:
    """The snapshots of a release with what was signed of their sources.

    Args:
        snapshots: Digest by the name of the source.
        statement_pairs: The statements about the release.
    """
    described = {
        (str(each.predicate.get("name")), subject.digest): each.predicate
        for each, _ in statement_pairs
        if each.predicate_type == DATASET
        for subject in each.subjects
    }
    return [_data(name, digest, described.get((name, digest), {})) for name, digest in sorted(snapshots.items())]


def steps_of(
    run: str,
    rows: Sequence[StepRunRow],
    edges: Iterable[Edge],
    makers: Mapping[Node, Sequence[Node]],
    named: Collection[str],
) -> list[TracedStep]:
    """The steps of a run in the order in which they came up.

    Args:
        run: Its id.
        rows: What became of its steps, checks and gates, in order.
        edges: What its steps read, made and reused.
        makers: The steps that are known to have made an artifact, whichever run they were of.
        named: Ids of the runs that may be named as makers; those of other projects may not.
    """
    read: dict[Node, list[Node]] = {}
    products: dict[Node, list[Node]] = {}
    for edge in edges:
        if edge.relation == "read":
            read.setdefault(edge.derived, []).append(edge.origin)
        if edge.relation == REUSED:
            products.setdefault(edge.derived, []).append(edge.origin)
        if edge.relation == MADE_BY and edge.derived.kind == "artifact":
            products.setdefault(edge.origin, []).append(edge.derived)
    return [
        TracedStep(
            name=row.node,
            state=row.state,
            read=[each.name for each in read.get(node, ())],
            outputs=[each.name for each in products.get(node, ())],
            made_in=[each for each in _runs_of(node, products.get(node, ()), makers) if each in named],
        )
        for row in rows
        if row.kind == "step"
        for node in [Node("step", f"{run}/{row.node}")]
    ]


def execution_of(
    run: RunRow,
    repository: str,
    rows: Sequence[StepRunRow],
    edges: Iterable[Edge],
    sources: Mapping[Node, Sequence[Node]],
) -> Execution | None:
    """A run as OpenLineage tells of it; None while it has not ended.

    Args:
        run: The run.
        repository: Where its project is.
        rows: What became of its steps, checks and gates, in order.
        edges: What its steps read.
        sources: The sources that artifacts are snapshots of.
    """
    if run.started_at is None or run.ended_at is None:
        return None
    read: dict[str, list[str]] = {}
    for edge in edges:
        if edge.relation == "read":
            read.setdefault(edge.derived.name.partition("/")[2], []).append(edge.origin.name)
    snapshots = {
        source.name.partition("/")[2]: artifact.name
        for artifact, artifact_sources in sources.items()
        for source in artifact_sources
        if source.name.partition("/")[0] == run.model and any(artifact.name in each for each in read.values())
    }
    steps = [
        LineageJob(
            row.node, row.state, row.started_at or row.ended_at, row.ended_at, read.get(row.node, ()), _outputs(row)
        )
        for row in rows
        if row.kind == "step" and row.ended_at is not None
    ]
    return Execution(
        run.id, run.project, repository, run.commit, run.state, run.started_at, run.ended_at, snapshots, steps
    )


def _outputs(row: StepRunRow) -> Mapping[str, str]:
    return dict(row.detail.get("outputs", {}))


def served_time(served: Served) -> ServedTime:
    """A time of serving as it travels."""
    return ServedTime(served.location, served.release, served.change_id, served.began_at, served.ended_at)


def _runs_of(step: Node, products: Sequence[Node], makers: Mapping[Node, Sequence[Node]]) -> list[str]:
    """Ids of the runs that made what a step gave: its own where it is among the makers."""
    run_ids: dict[str, None] = {}
    for artifact in products:
        artifact_makers = makers.get(artifact, ())
        mine = [step] if step in artifact_makers else artifact_makers
        run_ids.update(dict.fromkeys(maker.name.partition("/")[0] for maker in mine))
    return list(run_ids)


def _data(name: str, digest: str, details: Mapping[str, Any]) -> TracedData:
    source, pinned, classification = (str(details.get(field, "")) for field in ("source", "pinned", "classification"))
    return TracedData(name, digest, source, pinned, classification)
