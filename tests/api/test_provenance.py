from __future__ import annotations

from falaj.api.provenance import author_of, data_of, evidence_of, execution_of, statements, steps_of
from falaj.storage import RunRow, StepRunRow
from falaj.supply_chain.attestations import DATASET, TRAIN, Statement, Subject
from falaj.trust.lineage import Edge, Node

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def signed_statement(kind: str, digest: str, **predicate: str) -> tuple[Statement, str]:
    return Statement(kind, (Subject("x", digest),), predicate), "sha256:e"


def row(node: str, kind: str = "step", state: str = "succeeded") -> StepRunRow:
    return StepRunRow(run_id="r2", node=node, kind=kind, state=state, position=0, detail={})


def test_a_step_names_the_run_that_made_what_it_found_in_the_cache() -> None:
    table, model = Node("artifact", "table"), Node("artifact", "model")
    prepare, fit = Node("step", "r2/prepare"), Node("step", "r2/fit")
    edges = [
        Edge(prepare, "part of", Node("run", "r2")),
        Edge(prepare, "reused", table),
        Edge(fit, "read", table),
        Edge(model, "made by", fit),
    ]
    makers = {table: [Node("step", "r1/prepare"), Node("step", "r9/theirs")], model: [Node("step", "r1/fit"), fit]}
    step_views = steps_of(
        "r2", [row("prepare", state="cached"), row("tests", "check"), row("fit")], edges, makers, {"r1", "r2"}
    )
    assert [(each.name, each.state, each.read, each.outputs, each.made_in) for each in step_views] == [
        ("prepare", "cached", [], ["table"], ["r1"]),
        ("fit", "succeeded", ["table"], ["model"], ["r2"]),  # an earlier run gave the same; this one made it itself
    ]


def test_what_is_said_of_a_snapshot_counts_for_its_digest_alone() -> None:
    spoken = [
        signed_statement(
            DATASET, DIGEST, name="flights", source="s3://flights", pinned="version 3", classification="internal"
        ),
        signed_statement(DATASET, OTHER, name="weather", source="s3://elsewhere"),
    ]
    flights, weather = data_of({"weather": DIGEST, "flights": DIGEST}, spoken)
    assert (flights.name, flights.source, flights.pinned) == ("flights", "s3://flights", "version 3")
    assert (weather.name, weather.digest, weather.source) == ("weather", DIGEST, "")


def test_evidence_that_says_nothing_readable_is_left_out() -> None:
    assert list(statements([{"payload": "x"}, {"payloadType": "t", "payload": "e30=", "signatures": []}])) == []
    spoken = [signed_statement(DATASET, DIGEST), signed_statement(TRAIN, DIGEST, author="Amal <amal@example.org>")]
    assert [each.kind for each in evidence_of(spoken)] == ["dataset", "train"]
    assert (author_of(spoken), author_of([])) == ("Amal <amal@example.org>", "")


def test_a_run_is_exported_once_it_has_ended_with_the_sources_of_its_own_model() -> None:
    raw = Node("artifact", "raw")
    run = RunRow(id="r2", project="p", model="m", commit="c", state="succeeded", started_at=1.0, ended_at=None)
    edges = [Edge(Node("step", "r2/fit"), "read", raw)]
    sources = {raw: [Node("source", "m/flights"), Node("source", "theirs/copy")]}
    fit, waiting = row("fit"), row("choose", state="queued")
    fit.detail, fit.started_at, fit.ended_at = {"outputs": {"output": "fitted"}}, 2.0, 3.0
    assert execution_of(run, "/r", [fit, waiting], edges, sources) is None
    run.ended_at = 4.0
    execution = execution_of(run, "/r", [fit, waiting, row("tests", "check")], edges, sources)
    assert execution is not None
    assert dict(execution.snapshots) == {"flights": "raw"}
    (job,) = execution.steps
    assert (job.name, list(job.read), dict(job.outputs), job.began_at, job.ended_at) == (
        "fit", ["raw"], {"output": "fitted"}, 2.0, 3.0,
    )  # fmt: skip
