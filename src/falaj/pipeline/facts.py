"""Collects what a step's result depends on, and names the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from falaj.pipeline.environment import Environment
from falaj.pipeline.errors import PipelineError
from falaj.pipeline.fingerprint import StepFacts, digests, fingerprint
from falaj.pipeline.graph import StepNode
from falaj.pipeline.imports import Checkout, closure, script_closure
from falaj.pipeline.jobs import Part
from falaj.pipeline.surroundings import source_roots
from falaj.project.spec import StepSpec


class Facts:
    """Names results of steps of one run; every source file is read once.

    Args:
        worktree: The project's folder.
        environment: The project's python.
        run_id: Binds the results of steps with `cache: false` to this run.
    """

    def __init__(self, worktree: Path, environment: Environment, run_id: str) -> None:
        self._worktree = worktree
        self._environment = environment
        self._run_id = run_id
        self._code = Checkout(worktree, source_roots(worktree))
        self._known: dict[object, dict[str, str]] = {}

    def fingerprint(self, node: StepNode, params: Mapping[str, Any], inputs: tuple[tuple[Part, ...], ...]) -> str:
        """Name of a node's result.

        Args:
            node: The step.
            params: Its arguments, the matrix cell included.
            inputs: What it reads.

        Raises:
            PipelineError: A declared file does not exist.
        """
        step = node.step
        parts = [
            [
                entry.name,
                entry.gathered,
                [[part.label, part.digest, part.kind, part.filename, dict(part.read)] for part in each],
            ]
            for entry, each in zip(node.inputs, inputs, strict=True)
        ]
        return fingerprint(
            StepFacts(
                call=step.run or list(step.command or ()),
                code=self._digests(step),
                params=params,
                inputs=parts,
                outputs=[*step.outputs, f"kind={step.output}"],
                environment=self._environment.digest,
                once_in="" if step.cache else self._run_id,
            )
        )

    def _digests(self, step: StepSpec) -> dict[str, str]:
        key = (step.run and step.run.partition(":")[0], step.command, step.files)
        if key not in self._known:
            self._known[key] = digests({**self._reached(step), **dict(self._declared(step))})
        return self._known[key]

    def _reached(self, step: StepSpec) -> dict[str, bytes]:
        if step.run:
            return closure(step.run.partition(":")[0], self._code)
        found: dict[str, bytes] = {}
        for before, argument in zip(("", *(step.command or ())), step.command or (), strict=False):
            if before == "-m":
                found |= closure(argument, self._code) | closure(f"{argument}.__main__", self._code)
            elif (self._worktree / argument).is_file():
                found |= script_closure(self._worktree, argument, self._code)
        return found

    def _declared(self, step: StepSpec) -> Iterator[tuple[str, bytes]]:
        for pattern in step.files:
            paths = sorted(path for path in self._worktree.glob(pattern) if path.is_file())
            folders = [path for path in self._worktree.glob(pattern) if path.is_dir()]
            paths += sorted(each for folder in folders for each in folder.rglob("*") if each.is_file())
            paths = [path for path in paths if path.parent.name != "__pycache__"]  # tests of the same run leave them
            if not paths:
                raise PipelineError(f"step `{step.name}` declares the file `{pattern}`, which does not exist")
            for path in paths:
                yield path.relative_to(self._worktree).as_posix(), path.read_bytes()
