from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.pipeline.errors import PipelineError
from falaj.build.pipeline.graph import choose, expand, node_name, sources_reaching
from falaj.build.pipeline.project_tree import may_be_read
from falaj.config import StepSpec


def steps(*step_specs: StepSpec) -> dict[str, StepSpec]:
    return {step.name: step for step in step_specs}


def test_inputs_name_sources_steps_and_outputs() -> None:
    nodes = expand(
        steps(
            StepSpec("split", inputs=("raw",), outputs=("train", "test")),
            StepSpec("fit", inputs=("split.train", "raw")),
        ),
        {"raw"},
    )
    train, raw = nodes["fit"].inputs
    assert (train.nodes, train.output, train.gathered) == (("split",), "train", False)
    assert (raw.source, raw.nodes) == ("raw", ())
    assert nodes["fit"].upstream == {"split"}


def test_a_matrix_fans_out_and_its_reader_gathers() -> None:
    nodes = expand(
        steps(
            StepSpec("fit", matrix={"seed": (1, 2), "kind": ("a", "b")}),
            StepSpec("best", inputs=("fit",)),
            StepSpec("by_seed", inputs=("fit",), matrix={"seed": (1, 2)}),
        ),
        set(),
    )
    assert [name for name in nodes if name.startswith("fit")] == [
        "fit[seed=1,kind=a]", "fit[seed=1,kind=b]", "fit[seed=2,kind=a]", "fit[seed=2,kind=b]",
    ]  # fmt: skip
    assert nodes["best"].inputs[0].gathered
    assert len(nodes["best"].inputs[0].nodes) == 4
    assert nodes["by_seed[seed=2]"].inputs[0].nodes == ("fit[seed=2,kind=a]", "fit[seed=2,kind=b]")


def test_cells_that_share_all_axes_are_read_one_by_one() -> None:
    nodes = expand(
        steps(
            StepSpec("fit", matrix={"seed": (1, 2)}),
            StepSpec("score", inputs=("fit",), matrix={"seed": (1, 2), "month": (1, 2)}),
        ),
        set(),
    )
    entry = nodes["score[seed=2,month=1]"].inputs[0]
    assert (entry.nodes, entry.gathered) == (("fit[seed=2]",), False)


def test_a_cycle_names_its_steps() -> None:
    with pytest.raises(PipelineError, match=r"`a`, `b` wait for each other"):
        expand(steps(StepSpec("a", inputs=("b",)), StepSpec("b", needs=("a",))), set())


def test_an_input_that_names_nothing() -> None:
    with pytest.raises(PipelineError, match="`fit` refers to `nothing`"):
        expand(steps(StepSpec("fit", inputs=("nothing",))), {"raw"})


def test_an_output_that_does_not_exist_says_which_do() -> None:
    specs_by_name = steps(StepSpec("split", outputs=("train", "test")), StepSpec("fit", inputs=("split.trian",)))
    with pytest.raises(PipelineError) as caught:
        expand(specs_by_name, set())
    assert "`split.train`, `split.test`" in caught.value.hint


def test_a_step_with_named_outputs_cannot_be_read_whole() -> None:
    with pytest.raises(PipelineError):
        expand(steps(StepSpec("split", outputs=("train", "test")), StepSpec("fit", inputs=("split",))), set())


def test_the_longest_way_starts_first_and_only_what_fits() -> None:
    nodes = expand(
        steps(
            StepSpec("short"),
            StepSpec("long", cpu=2),
            StepSpec("after", inputs=("long",)),
            StepSpec("huge", cpu=64),
        ),
        set(),
    )
    ready = [nodes["short"], nodes["long"]]
    assert choose(ready, 4, 0, idle=True) is nodes["long"]
    assert choose(ready, 1, 0, idle=False) is nodes["short"]
    assert choose([nodes["huge"]], 4, 0, idle=False) is None
    assert choose([nodes["huge"]], 4, 0, idle=True) is nodes["huge"]


@st.composite
def pipelines(draw: st.DrawFn) -> dict[str, StepSpec]:
    """Random pipelines without cycles, some steps with a matrix, in a random order of the file."""
    count = draw(st.integers(1, 7))
    specs = []
    for index in range(count):
        above = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        axes = draw(st.dictionaries(st.sampled_from("xyz"), st.just((1, 2)), max_size=2))
        specs.append(StepSpec(f"s{index}", inputs=tuple(f"s{each}" for each in sorted(above)), matrix=axes))
    return {step.name: step for step in draw(st.permutations(specs))}


@given(pipelines())
def test_every_node_comes_after_what_it_reads(pipeline: dict[str, StepSpec]) -> None:
    earlier_nodes: set[str] = set()
    for name, node in expand(pipeline, set()).items():
        assert node.upstream <= earlier_nodes
        earlier_nodes.add(name)
    cells = sum(2 ** len(step.matrix) for step in pipeline.values())
    assert len(earlier_nodes) == cells


@given(pipelines())
def test_every_cell_of_a_step_is_read_by_someone_when_the_step_is(pipeline: dict[str, StepSpec]) -> None:
    nodes = expand(pipeline, set())
    for step in pipeline.values():
        for name in step.inputs:
            read = {each for node in nodes.values() if node.step.name == step.name for each in node.upstream}
            assert {node.name for node in nodes.values() if node.step.name == name} <= read


@given(pipelines())
def test_a_node_is_higher_than_its_readers(pipeline: dict[str, StepSpec]) -> None:
    nodes = expand(pipeline, set())
    for node in nodes.values():
        assert all(nodes[above].height > node.height for above in node.upstream)


def test_names_of_cells() -> None:
    assert node_name("fit", {}) == "fit"
    assert node_name("fit", {"seed": 1, "kind": "a b", "on": True}) == "fit[seed=1,kind=a b,on=true]"


def test_sources_reach_what_is_made_of_them() -> None:
    nodes = expand(
        steps(
            StepSpec("clean", inputs=("raw",)),
            StepSpec("fit", inputs=("clean",), matrix={"seed": (1, 2)}),
            StepSpec("best", inputs=("fit", "weather")),
            StepSpec("waits", needs=("best",)),
        ),
        {"raw", "weather"},
    )
    assert sources_reaching("best", nodes) == {"raw", "weather"}
    assert sources_reaching("fit[seed=1]", nodes) == {"raw"}
    assert sources_reaching("waits", nodes) == frozenset()


@pytest.mark.parametrize(
    ("source", "files", "reached"),
    [
        ("file://data/rows.csv", None, True),
        ("file://data/rows.csv", ("steps.py",), False),
        ("file://data/rows.csv", ("steps.py", "data/rows.csv"), True),
        ("file://data", ("data/rows.csv",), True),
        ("file:///data/rows.csv", None, False),
        ("s3://bucket/rows", None, False),
    ],
)
def test_data_in_the_project_reaches_a_step_that_may_read_it(
    source: str, files: tuple[str, ...] | None, reached: bool
) -> None:
    assert may_be_read(source, files) is reached
