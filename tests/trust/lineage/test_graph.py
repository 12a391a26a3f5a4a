from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.core.errors import UsageError
from falaj.storage import Database
from falaj.trust.lineage import Edge, Node, downstream, edges_of_steps, names_of, node, record, upstream

pytestmark = pytest.mark.integration


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


def run_of(name: str, table: Node, model: Node, *, cached: bool) -> list[Edge]:
    """A run that prepares a table and fits a model from it; the table may come from the cache."""
    run, prepare, fit = Node("run", name), Node("step", f"{name}/prepare"), Node("step", f"{name}/fit")
    return [
        Edge(run, "ran", Node("commit", f"of {name}")),
        Edge(prepare, "part of", run),
        Edge(fit, "part of", run),
        Edge(prepare, "reused", table) if cached else Edge(table, "made by", prepare),
        Edge(fit, "read", table),
        Edge(model, "made by", fit),
    ]


def test_an_artifact_that_many_runs_reused_leads_to_the_run_that_made_it_alone(database: Database) -> None:
    table = artifact("sha256:table")
    with database.transaction() as session:
        record(session, run_of("r1", table, artifact("m1"), cached=False), 1.0)
        for number in range(2, 6):
            record(session, run_of(f"r{number}", table, artifact(f"m{number}"), cached=True), float(number))
    with database.reading() as session:
        assert names_of(upstream(session, artifact("m5")), "run") == ["r5", "r1"]
        assert set(edges_of_steps(session, "r5")) == set(run_of("r5", table, artifact("m5"), cached=True)[1:])
        assert {edge.derived for edge in downstream(session, table) if edge.derived.kind == "artifact"} == {
            artifact(f"m{number}") for number in range(1, 6)
        }


def test_what_nobody_is_known_to_have_made_was_made_by_the_first_that_reused_it(database: Database) -> None:
    table = artifact("table")
    for name in ("r1", "r2"):  # the run that made it ended before it could say so
        with database.transaction() as session:
            record(session, run_of(name, table, artifact(name), cached=True), 1.0)
    with database.reading() as session:
        assert names_of(upstream(session, table), "step") == ["r1/prepare"]
        assert Edge(Node("step", "r2/prepare"), "reused", table) in edges_of_steps(session, "r2")


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
        reached_nodes = upstream(session, start)
    reachable, expected = {start}, set[Edge]()
    while True:
        expected = {edge for edge in edges if edge.derived in reachable}
        further = reachable | {edge.origin for edge in expected}
        if further == reachable:
            break
        reachable = further
    assert set(reached_nodes) == expected
    assert len(reached_nodes) == len(expected)


@pytest.mark.parametrize("text", ["", "release", "release:", ":m@1", "planet:mars", "release:" + "x" * 300])
def test_what_is_no_node(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        node(text)
    assert caught.value.code == "lineage.node"


def test_a_digest_keeps_its_colon() -> None:
    assert node("artifact:sha256:ab") == Node("artifact", "sha256:ab")
    assert str(node("artifact:sha256:ab")) == "artifact:sha256:ab"
