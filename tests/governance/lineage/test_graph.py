from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.errors import UsageError
from falaj.governance.lineage import Edge, Node, downstream, names_of, node, record, upstream
from falaj.storage import Database


def artifact(name: str) -> Node:
    return Node("artifact", name)


CHAIN = [
    Edge(Node("release", "m@1"), "is", artifact("model")),
    Edge(Node("release", "m@1"), "made by", Node("run", "r1")),
    Edge(Node("run", "r1"), "of", Node("commit", "c1")),
    Edge(artifact("model"), "written by", Node("step", "fit")),
    Edge(Node("step", "fit"), "read", artifact("table")),
    Edge(artifact("table"), "snapshot of", Node("source", "p/flights")),
    Edge(Node("release", "m@2"), "is", artifact("other")),
    Edge(artifact("other"), "written by", Node("step", "fit2")),
    Edge(Node("step", "fit2"), "read", artifact("table")),
]


def test_upward_and_downward(database: Database) -> None:
    with database.transaction() as session:
        record(session, CHAIN, 1.0)
    with database.reading() as session:
        up = upstream(session, Node("release", "m@1"))
        down = downstream(session, Node("source", "p/flights"))
    assert set(up) == set(CHAIN[:6])
    assert up[0].derived == Node("release", "m@1") and up[-1].origin == Node("source", "p/flights")
    assert names_of(down, "release") == ["m@1", "m@2"]
    assert names_of(down, "commit") == []


def test_an_edge_is_stored_once(database: Database) -> None:
    for now in (1.0, 2.0):
        with database.transaction() as session:
            record(session, [*CHAIN, *CHAIN], now)
    with database.reading() as session:
        assert len(upstream(session, Node("release", "m@1"))) == 6


def test_what_is_unknown_has_no_lineage(database: Database) -> None:
    with database.reading() as session:
        assert upstream(session, Node("release", "never@1")) == []
        assert downstream(session, Node("source", "never")) == []


_NAMES = st.sampled_from([artifact(str(n)) for n in range(7)])


@settings(max_examples=25, deadline=None)
@given(edges=st.lists(st.builds(Edge, _NAMES, st.just("read"), _NAMES), max_size=15), start=_NAMES)
def test_a_walk_finds_exactly_what_is_reachable_even_in_a_circle(
    sqlite_database: Database, edges: list[Edge], start: Node
) -> None:
    with sqlite_database.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM lineage_edges")
        record(session, edges, 1.0)
        found = upstream(session, start)
    reachable, expected = {start}, set[Edge]()
    while True:
        expected = {edge for edge in edges if edge.derived in reachable}
        further = reachable | {edge.origin for edge in expected}
        if further == reachable:
            break
        reachable = further
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("text", ["", "release", "release:", ":m@1", "planet:mars", "release:" + "x" * 300])
def test_what_is_no_node(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        node(text)
    assert caught.value.code == "lineage.node"


def test_a_digest_keeps_its_colon() -> None:
    assert node("artifact:sha256:ab") == Node("artifact", "sha256:ab")
    assert str(node("artifact:sha256:ab")) == "artifact:sha256:ab"
