"""A sweep: a step with a matrix whose cells are candidates, of which one goes on (pure).

The candidates and what they come from run first, as a pipeline of their own. Once one is selected, its values are plain
parameters, and the whole pipeline runs as if the project had been written with them: what ran before is in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from falaj.build.pipeline.graph import node_name
from falaj.config.spec import ProjectSpec, StepSpec

CELL_FAULTS = frozenset({"step.failed"})
"""What a cell may end with while others go on: its own code broke. A machine that is too small, or a clock, must not
decide which candidate is the best one."""


def candidates_part(spec: ProjectSpec) -> ProjectSpec:
    """The project with the steps alone that the candidates, and the rows that they are scored on, come from."""
    assert spec.sweep is not None and spec.sweep.select is not None
    ends = {spec.sweep.name, spec.sweep.select.data.partition(".")[0]} & spec.steps.keys()
    needed = ends.union(*(spec.upstream(name) for name in ends))
    return replace(spec, steps={name: step for name, step in spec.steps.items() if name in needed})


def with_cell(spec: ProjectSpec, step: str, cell: Mapping[str, Any]) -> ProjectSpec:
    """The project as if values of a matrix were parameters, in the step and in those that it belongs together with.

    Args:
        spec: The project.
        step: The step that selects.
        cell: Values of some of its axes.
    """
    related = {step, *spec.upstream(step), *(name for name in spec.steps if step in spec.upstream(name))}
    steps = {name: _with_values(each, cell) if name in related else each for name, each in spec.steps.items()}
    return replace(spec, steps=steps)


def with_overrides(spec: ProjectSpec, params: Mapping[str, Mapping[str, Any]]) -> ProjectSpec:
    """The project whose sweep leaves out the axes that a run was given a value for."""
    if spec.sweep is None:
        return spec
    values = params.get(spec.sweep.name, {})
    fixed = {axis: values[axis] for axis in spec.sweep.matrix if axis in values}
    return with_cell(spec, spec.sweep.name, fixed)


def table_of_cell(spec: ProjectSpec, table: str, cell: Mapping[str, Any]) -> str:
    """The name among the outputs of a table as one candidate is scored on it.

    Args:
        spec: The project with its matrix.
        table: A source, a step or `step.output`.
        cell: Of the candidate.
    """
    name, dot, output = table.partition(".")
    if table in spec.data or name not in spec.steps:
        return table
    own = {axis: cell[axis] for axis in spec.steps[name].matrix}
    return f"{node_name(name, own)}{dot}{output}"


def _with_values(step: StepSpec, cell: Mapping[str, Any]) -> StepSpec:
    values = {axis: cell[axis] for axis in step.matrix if axis in cell}
    matrix = {axis: each for axis, each in step.matrix.items() if axis not in values}
    return replace(step, matrix=matrix, params={**step.params, **values}, select=step.select if matrix else None)
