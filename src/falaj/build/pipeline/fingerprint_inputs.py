"""Collects what a step's result depends on, and names the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from falaj.build.pipeline.errors import PipelineError
from falaj.build.pipeline.fingerprint import StepFacts, fingerprint
from falaj.build.pipeline.graph import StepNode
from falaj.build.pipeline.imports import (
    ImportReach,
    ImportTree,
    closure,
    digest_of,
    files_below,
    script_closure,
    text_closure,
)
from falaj.build.pipeline.jobs import StepInput
from falaj.build.pipeline.source_facts import is_python, starts_unknown
from falaj.build.pipeline.step_env import source_roots
from falaj.config.spec import StepSpec
from falaj.core.venv.environment import Environment

_OBJECTS = ("model", "file", "folder")
"""Kinds of results that may hold objects of classes of the project, by the name of the class alone."""


class FingerprintInputs:
    """Names results of steps of one run; every source file is read once.

    Args:
        worktree: The project's folder.
        environment: The project's python.
        run_id: Binds the results of steps with `cache: false` to this run.
        steps: The pipeline by step name.
        enforced: Whether a step is kept from files that do not count for its result; where nothing does that, every
            file counts for every step.
    """

    def __init__(
        self,
        worktree: Path,
        environment: Environment,
        run_id: str,
        steps: Mapping[str, StepSpec] | None = None,
        *,
        enforced: bool = True,
    ) -> None:
        self._enforced = enforced
        self._worktree = worktree
        self._environment = environment
        self._run_id = run_id
        self._steps = steps or {}
        self._code = ImportTree(worktree, source_roots(worktree))
        self._reaches: dict[object, ImportReach] = {}
        self._whole: dict[str, str] | None = None
        self._names: frozenset[str] | None = None

    def fingerprint(self, node: StepNode, params: Mapping[str, Any], inputs: tuple[tuple[StepInput, ...], ...]) -> str:
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
                code=self.code(node, inputs),
                params=params,
                inputs=parts,
                outputs=[*step.outputs, f"kind={step.output}"],
                environment=self._environment.digest,
                once_in="" if step.cache else self._run_id,
            )
        )

    def code(self, node: StepNode, inputs: tuple[tuple[StepInput, ...], ...]) -> Mapping[str, str]:
        """Digests of the project's files that a node's result can depend on, by path.

        Raises:
            PipelineError: A declared file does not exist.
        """
        code = dict(self.reach(node.step).files)
        for entry, each in zip(node.inputs, inputs, strict=True):
            writer = self._steps.get(entry.name.partition(".")[0]) if entry.source is None else None
            if writer is not None and any(part.kind in _OBJECTS for part in each):
                code |= self.reach(writer).files  # what a pickle names is imported where it is read
        return code

    def readable(self, node: StepNode, inputs: tuple[tuple[StepInput, ...], ...]) -> tuple[str, ...] | None:
        """What a node may read of the project; None for all of it, which then counts for its result."""
        if self._names is None:
            self._names = frozenset(path.relative_to(self._worktree).as_posix() for path in files_below(self._worktree))
        code = self.code(node, inputs)
        return None if code.keys() >= self._names else tuple(sorted(code))

    def reach(self, step: StepSpec) -> ImportReach:
        """The project's files that a step can read, so far as the text of its code tells, and those that it declares.

        Where the code cannot be followed and the step declares no `files`, that is every file of the project.

        Raises:
            PipelineError: A declared file does not exist.
        """
        key = (step.run and step.run.partition(":")[0], step.command, step.files)
        if key not in self._reaches:
            import_reach = self._followed(step)
            declared = dict(self._declared(step))
            unbound = (import_reach.unknown and not declared) or not self._enforced
            rest = self._everything() if unbound else {}
            self._reaches[key] = import_reach | ImportReach(declared | rest)
        return self._reaches[key]

    def notice(self, step: StepSpec) -> str:
        """What to tell of a step whose code cannot be followed; empty when it can, or its files are declared."""
        unknown = self.reach(step).unknown
        if not unknown or step.files:
            return ""
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        place = unknown[0].partition(":")[0]
        folder = place.rpartition("/")[0] if (self._worktree / place).is_file() else ""
        line = f"files: [{folder or '...'}]"
        return (
            f"{unknown[0]}{more} cannot be followed, so every file of the project counts for the result of "
            f"`{step.name}` and of steps like it; `{line}` in the step names those that do"
        )

    def _everything(self) -> dict[str, str]:
        if self._whole is None:
            paths = [path for path in files_below(self._worktree) if path.is_file()]
            self._whole = {path.relative_to(self._worktree).as_posix(): digest_of(path) for path in paths}
        return self._whole

    def _followed(self, step: StepSpec) -> ImportReach:
        if step.run:
            return closure(step.run.partition(":")[0], self._code)
        command = step.command or ()
        named = ImportReach()
        for argument in command:
            if self._is_inside(argument):
                named |= script_closure(argument, self._code)
        if command and is_python(command[0]):
            return named | self._python(command)
        if starts_unknown(command) and not self._is_inside(command[0] if command else ""):
            named |= ImportReach(unknown=(f"the command `{command[0] if command else ''}`",))
        return named

    def _python(self, command: tuple[str, ...]) -> ImportReach:
        """What Python runs by the arguments that it is given."""
        option, argument = (*command[1:3], "", "")[:2]
        if option == "-m":
            reach = closure(argument, self._code) | closure(f"{argument}.__main__", self._code)
            return reach if reach.files else ImportReach(unknown=(f"the command `python -m {argument}`",))
        if option == "-c":
            return text_closure(argument, self._code)
        return ImportReach() if self._is_inside(option) else ImportReach(unknown=(f"the command `python {option}`",))

    def _is_inside(self, argument: str) -> bool:
        path = self._worktree / argument
        return bool(argument) and path.is_file() and path.resolve().is_relative_to(self._worktree.resolve())

    def _declared(self, step: StepSpec) -> Iterator[tuple[str, str]]:
        for pattern in step.files:
            paths = sorted(path for path in self._worktree.glob(pattern) if path.is_file())
            folders = [path for path in self._worktree.glob(pattern) if path.is_dir()]
            paths += sorted(each for folder in folders for each in folder.rglob("*") if each.is_file())
            paths = [path for path in paths if path.parent.name != "__pycache__"]  # tests of the same run leave them
            if not paths:
                raise PipelineError(f"step `{step.name}` declares the file `{pattern}`, which does not exist")
            for path in paths:
                yield path.relative_to(self._worktree).as_posix(), digest_of(path)
