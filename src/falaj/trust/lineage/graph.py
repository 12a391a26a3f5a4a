"""Nodes and edges, and walks along them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Insert, Select, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from falaj.core.errors import UsageError
from falaj.storage.lineage_tables import LineageEdgeRow

KINDS = frozenset(
    {
        "alert",
        "artifact",
        "commit",
        "evidence",
        "lock",
        "release",
        "run",
        "scoring",
        "source",
        "step",
        "subject",
        "training",
    }
)
MADE_BY = "made by"
"""How an artifact leads to the step that made it, and a release to its run."""
REUSED = "reused"
"""How a step leads to an artifact that it would have made, had an earlier one not made the same."""
SNAPSHOT_OF = "snapshot of"
"""How an artifact leads to the source that it was read of."""
PART_OF = "part of"
"""How a step leads to its run."""
CAUSED_BY = "caused by"
"""How a run leads to the request for a training that started it, and that to its alert."""
_LONGEST = 300


@dataclass(frozen=True, order=True)
class Node:
    """One thing that lineage knows.

    Args:
        kind: One of `KINDS`.
        name: Unique among its kind: a digest, `model@number`, `project/source`, an id.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """As it is stored: `release:flight-delay@3`."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, order=True)
class Edge:
    """Something that came from something else.

    Args:
        derived: The later thing.
        relation: How, as a verb that reads from derived to origin: `made by`, `read`, `snapshot of`.
        origin: The earlier thing.
    """

    derived: Node
    relation: str
    origin: Node


def node(text: str) -> Node:
    """Read a node.

    Raises:
        UsageError: It is not `kind:name` with a known kind (`lineage.node`).
    """
    kind, colon, name = text.partition(":")
    if not colon or not name or kind not in KINDS or len(text) > _LONGEST:
        hint = f"kind:name with a kind of {', '.join(sorted(KINDS))}"
        raise UsageError(f"'{text[:80]}' is not a lineage node", hint=hint, code="lineage.node")
    return Node(kind, name)


def record(session: Session, edges: Iterable[Edge], now: float) -> None:
    """Write edges in the transaction of what they tell of; an edge that is known is left alone.

    A step that reused an artifact which nothing is known to have made counts as its maker: the run that made it ended
    before it could say so, or it was this very run, before its worker was restarted.

    Args:
        session: The caller's transaction.
        edges: What came from what.
        now: Unix seconds.
    """
    rows = [
        {"derived": str(edge.derived), "origin": str(edge.origin), "relation": edge.relation, "at": now}
        for edge in sorted(_adopted(session, set(edges)))
    ]
    if rows:
        session.execute(_insert_new(session), rows)


def upstream(session: Session, start: Node, limit: int | None = None) -> list[Edge]:
    """Every edge on a way from `start` to where it came from, nearest first; at most `limit` of them."""
    return _walk(session, start, LineageEdgeRow.derived, LineageEdgeRow.origin, limit)


def downstream(session: Session, start: Node, limit: int | None = None) -> list[Edge]:
    """Every edge on a way from `start` to what it reached, nearest first; at most `limit` of them."""
    return _walk(session, start, LineageEdgeRow.origin, LineageEdgeRow.derived, limit)


def edges_of_steps(session: Session, run: str) -> list[Edge]:
    """What the steps of a run read, made and reused, whatever other runs did with the same artifacts."""
    mine = select(LineageEdgeRow.derived).where(
        LineageEdgeRow.origin == str(Node("run", run)), LineageEdgeRow.relation == PART_OF
    )
    outward = select(LineageEdgeRow).where(LineageEdgeRow.derived.in_(mine))
    inward = select(LineageEdgeRow).where(LineageEdgeRow.origin.in_(mine))
    return sorted(_edge(row) for query in (outward, inward) for row in session.scalars(query))


def makers_of(session: Session, artifacts: Iterable[Node]) -> dict[Node, list[Node]]:
    """The steps that made artifacts, whichever run they were of."""
    return _origins(session, artifacts, MADE_BY)


def sources_of(session: Session, artifacts: Iterable[Node]) -> dict[Node, list[Node]]:
    """The sources that artifacts are snapshots of."""
    return _origins(session, artifacts, SNAPSHOT_OF)


def artifacts_of(edges: Iterable[Edge]) -> set[Node]:
    """The artifacts at either end of edges."""
    return {each for edge in edges for each in (edge.derived, edge.origin) if each.kind == "artifact"}


def names_of(edges: Sequence[Edge], kind: str) -> list[str]:
    """Names of the nodes of one kind among the edges, each once, in the order of the walk."""
    nodes = (item for edge in edges for item in (edge.derived, edge.origin))
    return list(dict.fromkeys(item.name for item in nodes if item.kind == kind))


def _origins(session: Session, nodes: Iterable[Node], relation: str) -> dict[Node, list[Node]]:
    derived_filter = LineageEdgeRow.derived.in_(sorted({str(each) for each in nodes}))
    origins_by_node: dict[Node, list[Node]] = {}
    for row in session.scalars(select(LineageEdgeRow).where(derived_filter, LineageEdgeRow.relation == relation)):
        edge = _edge(row)
        origins_by_node.setdefault(edge.derived, []).append(edge.origin)
    return origins_by_node


def _walk(
    session: Session,
    start: Node,
    near: InstrumentedAttribute[str],
    far: InstrumentedAttribute[str],
    limit: int | None,
) -> list[Edge]:
    """One recursive query; UNION drops what was reached before, so that it ends on any graph.

    Databases count up what is reached nearest first, and only as far as somebody reads: a limited walk from a node that
    reached half of everything costs no more than its limit. So many nodes have at least so many edges but one.
    """
    reached = select(literal(str(start)).label("name")).cte("reached", recursive=True)
    step: Select[Any] | CompoundSelect[Any] = select(far).join(reached, near == reached.c.name)
    reached = reached.union(step)
    nearest = select(reached.c.name).limit(None if limit is None else limit + 1).subquery("nearest")
    query = select(LineageEdgeRow).join_from(nearest, LineageEdgeRow, near == nearest.c.name).limit(limit)
    edges = [_edge(row) for row in session.scalars(query)]
    return _nearest_first(edges, start, upward=near is LineageEdgeRow.derived)


def _nearest_first(edges: Sequence[Edge], start: Node, *, upward: bool) -> list[Edge]:
    by_near: dict[Node, list[Edge]] = {}
    for edge in sorted(edges):
        by_near.setdefault(edge.derived if upward else edge.origin, []).append(edge)
    ordered: dict[Edge, None] = {}
    frontier = [start]
    while frontier:
        near_edges = [edge for near in frontier for edge in by_near.pop(near, ())]
        ordered.update(dict.fromkeys(near_edges))
        frontier = [edge.origin if upward else edge.derived for edge in near_edges]
    return list(ordered)


def _adopted(session: Session, edges: set[Edge]) -> set[Edge]:
    """The edges, where the first step that reused an artifact without a maker is its maker."""
    reused = {edge.origin: edge for edge in sorted(edges, reverse=True) if edge.relation == REUSED}
    if not reused:
        return set(edges)
    named = select(LineageEdgeRow.derived).where(
        LineageEdgeRow.derived.in_([str(each) for each in reused]), LineageEdgeRow.relation == MADE_BY
    )
    run_outputs = {str(edge.derived) for edge in edges if edge.relation == MADE_BY} | set(session.scalars(named))
    orphans = [edge for artifact, edge in reused.items() if str(artifact) not in run_outputs]
    return (edges - set(orphans)) | {Edge(edge.origin, MADE_BY, edge.derived) for edge in orphans}


def _edge(row: LineageEdgeRow) -> Edge:
    return Edge(Node(*row.derived.split(":", 1)), row.relation, Node(*row.origin.split(":", 1)))


def _insert_new(session: Session) -> Insert:
    """An insert that leaves rows that are there already; each database has its own."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return insert(LineageEdgeRow).on_conflict_do_nothing()
