"""What of a walk somebody may be told who may read some projects only (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from falaj.trust.lineage.graph import Edge, Node


def visible_edges(
    edges: Sequence[Edge],
    start: Node,
    project_of: Mapping[Node, str | None],
    readable: Collection[str],
    *,
    upward: bool,
) -> list[Edge]:
    """The edges that lead from `start` over nothing that belongs to another project.

    Artifacts, commits and the like belong to no project, since their names are what is in them: they are told of only
    beside something that the reader may read, or else asking for a digest would tell whether others have it.

    Args:
        edges: A walk, nearest first.
        start: Where it began.
        project_of: Whose the nodes are that belong to a project; None where that is not known.
        readable: The projects that may be read.
        upward: Whether the walk leads to origins.
    """
    hidden = {node for node, project in project_of.items() if project not in readable}
    leads: dict[Node, list[Edge]] = {}
    for edge in edges:
        if not hidden & {edge.derived, edge.origin}:
            leads.setdefault(edge.derived if upward else edge.origin, []).append(edge)
    visible_edges: list[Edge] = []
    frontier = [] if start in hidden else [start]
    while frontier:
        near_edges = [edge for near in frontier for edge in leads.pop(near, ())]
        visible_edges += near_edges
        frontier = [edge.origin if upward else edge.derived for edge in near_edges]
    named = any(node in project_of for edge in visible_edges for node in (edge.derived, edge.origin))
    return visible_edges if named else []
