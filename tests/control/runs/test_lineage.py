from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from falaj.build.pipeline import PipelineResult, StepResult, StepState
from falaj.config.spec import StepSpec
from falaj.control.runs.contract import RunSpec
from falaj.control.runs.lineage import edges_of_release, edges_of_run
from falaj.supply_chain.artifacts import Digest
from falaj.trust.lineage import Edge, Node

ORDER = RunSpec("r1", "/repo", "main", "c" * 40, "Ana <ana@example.org>", {}, "push")


def artifact(name: str) -> Node:
    return Node("artifact", f"sha256:{name}")


def test_steps_come_from_what_they_read_and_artifacts_from_the_steps_that_made_them() -> None:
    steps = {
        "prepare": StepSpec("prepare", inputs=("flights",), outputs=("train", "test")),
        "fit": StepSpec("fit", inputs=("prepare.train",), matrix={"depth": (1, 2)}),
        "choose": StepSpec("choose", inputs=("fit",)),
    }
    spec: Any = SimpleNamespace(model="m", steps=steps)
    nodes = ("prepare", "fit[depth=1]", "fit[depth=2]", "choose")
    results = (
        step_result("prepare", {"train": "sha256:tr", "test": "sha256:te"}),
        step_result("fit", {"output": "sha256:1"}, node="fit[depth=1]"),
        step_result("fit", {"output": "sha256:2"}, node="fit[depth=2]"),
        step_result("choose", {"output": "sha256:c"}),
    )
    edges = set(edges_of_run(ORDER, spec, ran(results, {"flights": "sha256:f"}), "sha256:lock"))
    run = Node("run", "r1")

    def step(name: str) -> Node:
        return Node("step", f"r1/{name}")

    assert edges == {
        Edge(run, "ran", Node("commit", "c" * 40)),
        Edge(run, "ran in", Node("lock", "sha256:lock")),
        Edge(artifact("f"), "snapshot of", Node("source", "m/flights")),
        *(Edge(step(name), "part of", run) for name in nodes),
        Edge(step("prepare"), "read", artifact("f")),
        Edge(artifact("tr"), "made by", step("prepare")),
        Edge(artifact("te"), "made by", step("prepare")),
        Edge(step("fit[depth=1]"), "read", artifact("tr")),
        Edge(step("fit[depth=2]"), "read", artifact("tr")),
        Edge(artifact("1"), "made by", step("fit[depth=1]")),
        Edge(artifact("2"), "made by", step("fit[depth=2]")),
        Edge(step("choose"), "read", artifact("1")),
        Edge(step("choose"), "read", artifact("2")),
        Edge(artifact("c"), "made by", step("choose")),
    }


def test_a_result_from_the_cache_is_reused_and_a_step_that_was_not_reached_has_read_nothing() -> None:
    steps = {
        "prepare": StepSpec("prepare", inputs=("flights",)),
        "fit": StepSpec("fit", inputs=("prepare",)),
        "choose": StepSpec("choose", inputs=("prepare",)),
    }
    spec: Any = SimpleNamespace(model="m", steps=steps)
    results = (
        step_result("prepare", {"output": "sha256:p"}, cached=True),
        StepResult("fit", "fit", StepState.FAILED),
        StepResult("choose", "choose", StepState.SKIPPED),
    )
    edges = set(edges_of_run(ORDER, spec, ran(results, {"flights": "sha256:f"}), None))
    prepare, fit = Node("step", "r1/prepare"), Node("step", "r1/fit")
    assert {edge for edge in edges if edge.derived.kind != "run"} == {
        Edge(artifact("f"), "snapshot of", Node("source", "m/flights")),
        Edge(prepare, "part of", Node("run", "r1")),
        Edge(prepare, "read", artifact("f")),
        Edge(prepare, "reused", artifact("p")),
        Edge(fit, "part of", Node("run", "r1")),
        Edge(fit, "read", artifact("p")),
    }


def step_result(step: str, outputs: Mapping[str, str], *, node: str = "", cached: bool = False) -> StepResult:
    digests = {name: Digest(digest) for name, digest in outputs.items()}
    return StepResult(node or step, step, StepState.SUCCEEDED, cached=cached, outputs=digests)


def ran(results: Sequence[StepResult], snapshots: Mapping[str, str]) -> PipelineResult:
    read: Any = {name: SimpleNamespace(digest=digest) for name, digest in snapshots.items()}
    return PipelineResult({result.node: result for result in results}, read)


def test_a_release_leads_to_its_run_its_model_and_its_evidence() -> None:
    edges = set(edges_of_release("m@1", "r1", "sha256:onnx", "sha256:fit", ["sha256:e"]))
    release = Node("release", "m@1")
    assert edges == {
        Edge(release, "made by", Node("run", "r1")),
        Edge(release, "serves", artifact("onnx")),
        Edge(artifact("onnx"), "packaged from", artifact("fit")),
        Edge(release, "proved by", Node("evidence", "sha256:e")),
    }


def test_a_model_that_is_served_as_it_was_made_is_packaged_from_nothing() -> None:
    relations = [edge.relation for edge in edges_of_release("m@1", "r1", "sha256:x", "sha256:x", [])]
    assert relations == ["made by", "serves"]


def test_a_release_leads_to_what_its_monitors_compare_with() -> None:
    edges = set(edges_of_release("m@1", "r1", "sha256:x", "sha256:x", [], "sha256:ref"))
    assert Edge(Node("release", "m@1"), "compared with", Node("artifact", "sha256:ref")) in edges
