from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.lineage import Edge, Node, visible_edges

RELEASE, RUN, STEP = Node("release", "m@1"), Node("run", "r1"), Node("step", "r1/fit")
MODEL, TABLE = Node("artifact", "model"), Node("artifact", "table")
THEIR_STEP, THEIR_RUN = Node("step", "r9/prepare"), Node("run", "r9")
THEIR_COMMIT, THEIR_SOURCE = Node("commit", "c9"), Node("source", "theirs/customers")
MINE = [
    Edge(RELEASE, "made by", RUN),
    Edge(RELEASE, "serves", MODEL),
    Edge(MODEL, "made by", STEP),
    Edge(STEP, "part of", RUN),
    Edge(STEP, "read", TABLE),
]
THEIRS = [
    Edge(TABLE, "made by", THEIR_STEP),
    Edge(TABLE, "snapshot of", THEIR_SOURCE),
    Edge(THEIR_STEP, "part of", THEIR_RUN),
    Edge(THEIR_RUN, "ran", THEIR_COMMIT),
]
PROJECTS = {RELEASE: "a", RUN: "a", STEP: "a", THEIR_STEP: "b", THEIR_RUN: "b", THEIR_SOURCE: None}


def test_a_walk_ends_where_another_project_begins_and_tells_nothing_beyond_it() -> None:
    assert visible_edges([*MINE, *THEIRS], RELEASE, PROJECTS, {"a"}, upward=True) == MINE
    assert visible_edges([*MINE, *THEIRS], RELEASE, PROJECTS, {"b"}, upward=True) == []
    assert visible_edges([*MINE, *THEIRS], RELEASE, {**PROJECTS, THEIR_SOURCE: "b"}, {"a", "b"}, upward=True) == [
        *MINE,
        *THEIRS,
    ]


def test_a_digest_tells_nothing_to_who_may_read_nothing_that_it_leads_to() -> None:
    packaged = Edge(TABLE, "packaged from", Node("artifact", "other"))
    assert visible_edges([packaged, *THEIRS], TABLE, PROJECTS, {"a"}, upward=True) == []
    assert visible_edges([Edge(STEP, "read", TABLE)], TABLE, PROJECTS, {"a"}, upward=False) == [
        Edge(STEP, "read", TABLE)
    ]


_NODES = [Node("artifact", "1"), Node("artifact", "2"), Node("run", "a"), Node("run", "b"), Node("run", "c")]


@given(
    st.lists(st.builds(Edge, st.sampled_from(_NODES), st.just("r"), st.sampled_from(_NODES)), max_size=10, unique=True),
    st.sampled_from(_NODES),
    st.sets(st.sampled_from("abc")),
    st.booleans(),
)
def test_what_is_told_is_of_the_walk_and_never_of_another_project(
    edges: list[Edge], start: Node, readable: set[str], upward: bool
) -> None:
    projects: dict[Node, str | None] = {node: node.name for node in _NODES if node.kind == "run"}
    shown = visible_edges(edges, start, projects, readable, upward=upward)
    assert set(shown) <= set(edges)
    named = {node.name for edge in shown for node in (edge.derived, edge.origin) if node.kind == "run"}
    assert named <= readable
    assert not shown or named
