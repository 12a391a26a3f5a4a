from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from falaj.governance.lineage import Edge, Node
from falaj.project.spec import StepSpec
from falaj.runs.derivation import edges_of_release, edges_of_run
from falaj.runs.outcome import Order

ORDER = Order("r1", "/repo", "main", "c" * 40, "Ana <ana@example.org>", {}, "push")


def artifact(name: str) -> Node:
    return Node("artifact", f"sha256:{name}")


def test_steps_come_from_what_they_read_and_artifacts_from_the_steps_that_made_them() -> None:
    steps = {
        "prepare": StepSpec("prepare", inputs=("flights",), outputs=("train", "test")),
        "fit": StepSpec("fit", inputs=("prepare.train",), matrix={"depth": (1, 2)}),
        "choose": StepSpec("choose", inputs=("fit",)),
    }
    spec: Any = SimpleNamespace(model="m", steps=steps)
    outputs = {
        "flights": "sha256:f", "prepare.train": "sha256:tr", "prepare.test": "sha256:te", "fit[depth=1]": "sha256:1",
        "fit[depth=2]": "sha256:2", "choose": "sha256:c",
    }  # fmt: skip
    nodes = ("prepare", "fit[depth=1]", "fit[depth=2]", "choose")
    pipeline: Any = SimpleNamespace(
        outputs=outputs, steps=dict.fromkeys(nodes), snapshots={"flights": SimpleNamespace(digest="sha256:f")}
    )
    found = set(edges_of_run(ORDER, spec, pipeline, "sha256:lock"))
    run = Node("run", "r1")

    def step(name: str) -> Node:
        return Node("step", f"r1/{name}")

    assert found == {
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


def test_a_release_leads_to_its_run_its_model_and_its_evidence() -> None:
    found = set(edges_of_release("m@1", "r1", "sha256:onnx", "sha256:fit", ["sha256:e"]))
    release = Node("release", "m@1")
    assert found == {
        Edge(release, "made by", Node("run", "r1")),
        Edge(release, "serves", artifact("onnx")),
        Edge(artifact("onnx"), "packaged from", artifact("fit")),
        Edge(release, "proved by", Node("evidence", "sha256:e")),
    }


def test_a_model_that_is_served_as_it_was_made_is_packaged_from_nothing() -> None:
    relations = [edge.relation for edge in edges_of_release("m@1", "r1", "sha256:x", "sha256:x", [])]
    assert relations == ["made by", "serves"]
