"""The pipeline as a graph: steps become nodes, a matrix becomes one node per cell, inputs become edges.

Pure: nothing here reads a clock or a file. The rule for edges between steps with a matrix: two cells belong
together when they agree on every axis that both have. A reader thus gets one value from a step whose axes it
shares, and all the values, gathered, from a step that has more axes than itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from falaj.build.pipeline.errors import PipelineError
from falaj.config.spec import StepSpec

ONLY_OUTPUT = "output"
"""Name of the output of a step that declares no names."""


@dataclass(frozen=True)
class NodeInput:
    """One input of a node.

    Attributes:
        name: As written in `inputs`: a source, a step or `step.output`.
        source: The data source, or None when steps produce it.
        nodes: The nodes that produce it, in the order of their cells.
        output: Which of their outputs is read.
        gathered: Whether the step receives a collection (fan-in) although `nodes` may hold one name.
    """

    name: str
    source: str | None = None
    nodes: tuple[str, ...] = ()
    output: str = ONLY_OUTPUT
    gathered: bool = False


@dataclass(frozen=True)
class StepNode:
    """A step, or one cell of its matrix.

    Attributes:
        name: `fit`, or `fit[seed=1]` for a cell.
        step: What the project declares.
        cell: The values of the matrix's axes.
        inputs: In the order of the step's `inputs`.
        needs: Nodes that must have finished although nothing of them is read.
        height: Nodes on the longest way from here to the end of the pipeline, itself included.
    """

    name: str
    step: StepSpec
    cell: Mapping[str, Any]
    inputs: tuple[NodeInput, ...]
    needs: tuple[str, ...]
    height: int = 1

    @property
    def upstream(self) -> frozenset[str]:
        """Every node that must have finished before this one starts."""
        return frozenset(self.needs).union(*(entry.nodes for entry in self.inputs))


def sources_reaching(name: str, nodes: Mapping[str, StepNode]) -> frozenset[str]:
    """The data sources that something of may be in what a node reads."""
    reached: set[str] = set()
    pending, visited = [name], {name}
    while pending:
        for entry in nodes[pending.pop()].inputs:
            reached |= {entry.source} if entry.source is not None else set()
            pending += [each for each in entry.nodes if each not in visited]
            visited.update(entry.nodes)
    return frozenset(reached)


def expand(steps: Mapping[str, StepSpec], sources: Collection[str]) -> dict[str, StepNode]:
    """Turn steps into nodes.

    Args:
        steps: The pipeline by step name.
        sources: Names of the data sources.

    Returns:
        Nodes by name, each after everything upstream of it.

    Raises:
        PipelineError: A cycle, or an input or need that names nothing.
    """
    cells = {name: list(_cells(step)) for name, step in steps.items()}
    nodes: dict[str, StepNode] = {}
    for name in _sorted_steps(steps, sources):
        for cell in cells[name]:
            node = _node(steps[name], cell, steps, cells, sources)
            nodes[node.name] = node
    return _with_heights(nodes)


def choose(ready: Sequence[StepNode], cpus: float, memory_bytes: float, *, idle: bool) -> StepNode | None:
    """The node to start next on what is free: the one with the longest way still to go that fits.

    Args:
        ready: Nodes whose upstream has finished.
        cpus: Free cores.
        memory_bytes: Free memory.
        idle: Whether nothing runs; then a node that asks for more than there is runs alone.
    """
    fitting = [node for node in ready if idle or _fits(node.step, cpus, memory_bytes)]
    return max(fitting, key=lambda node: node.height, default=None)


def node_name(step: str, cell: Mapping[str, Any]) -> str:
    """`fit` for an empty cell, else `fit[seed=1,kind=linear]`."""
    if not cell:
        return step
    return f"{step}[{','.join(f'{axis}={_plain(value)}' for axis, value in cell.items())}]"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _fits(step: StepSpec, cpus: float, memory_bytes: float) -> bool:
    return step.cpu <= cpus and (step.memory_bytes or 0) <= memory_bytes


def _cells(step: StepSpec) -> Iterable[dict[str, Any]]:
    axes = list(step.matrix)
    return (dict(zip(axes, values, strict=True)) for values in product(*step.matrix.values()))


def _node(
    step: StepSpec,
    cell: Mapping[str, Any],
    steps: Mapping[str, StepSpec],
    cells: Mapping[str, list[dict[str, Any]]],
    sources: Collection[str],
) -> StepNode:
    inputs = tuple(_input(text, step, cell, steps, cells, sources) for text in step.inputs)
    needs = tuple(node_name(need, other) for need in step.needs for other in cells[need] if _agree(cell, other))
    return StepNode(node_name(step.name, cell), step, cell, inputs, needs)


def _input(
    text: str,
    reader: StepSpec,
    cell: Mapping[str, Any],
    steps: Mapping[str, StepSpec],
    cells: Mapping[str, list[dict[str, Any]]],
    sources: Collection[str],
) -> NodeInput:
    if text in sources:
        return NodeInput(text, source=text)
    name, _, output = text.partition(".")
    writer = steps[name]
    if output not in (writer.outputs or ("", ONLY_OUTPUT)):
        expected = ", ".join(f"`{name}.{each}`" for each in writer.outputs) or f"`{name}`"
        raise PipelineError(f"step `{reader.name}` reads `{text}`", hint=f"use {expected}")
    nodes = tuple(node_name(name, other) for other in cells[name] if _agree(cell, other))
    gathered = not set(writer.matrix) <= set(reader.matrix)
    return NodeInput(text, None, nodes, output or ONLY_OUTPUT, gathered)


def _agree(cell: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(cell[axis] == value for axis, value in other.items() if axis in cell)


def _sorted_steps(steps: Mapping[str, StepSpec], sources: Collection[str]) -> list[str]:
    """Step names, each after the steps it reads or needs; ties in the order of the file."""
    waiting = {name: _upstream_steps(step, steps, sources) for name, step in steps.items()}
    step_order: list[str] = []
    while waiting:
        free = [name for name, before in waiting.items() if before.isdisjoint(waiting)]
        if not free:
            raise PipelineError(f"the steps {', '.join(f'`{name}`' for name in waiting)} wait for each other")
        step_order += free
        waiting = {name: before for name, before in waiting.items() if name not in free}
    return step_order


def _upstream_steps(step: StepSpec, steps: Mapping[str, StepSpec], sources: Collection[str]) -> set[str]:
    names = {text.partition(".")[0] for text in step.inputs if text not in sources} | {*step.needs}
    for name in names:
        if name not in steps:
            raise PipelineError(f"step `{step.name}` refers to `{name}`, which is neither a step nor a source")
    return names


def _with_heights(nodes: Mapping[str, StepNode]) -> dict[str, StepNode]:
    heights = dict.fromkeys(nodes, 1)
    for node in reversed(list(nodes.values())):
        for above in node.upstream:
            heights[above] = max(heights[above], heights[node.name] + 1)
    return {
        name: StepNode(name, node.step, node.cell, node.inputs, node.needs, heights[name])
        for name, node in nodes.items()
    }
