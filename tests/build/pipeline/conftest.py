"""A project in a scratch folder, and the engine to run it with."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from falaj.build.pipeline import PipelineResult, RunEvent, execute
from falaj.config import ProjectSpec, SourceSpec, StepSpec
from falaj.core.venv.environment import Environment
from falaj.supply_chain.artifacts import ArtifactStore, open_store


@dataclass
class Project:
    """A worktree, a home with a store, and what was heard of the runs."""

    root: Path
    environment: Environment = field(
        default_factory=lambda: Environment(Path(sys.executable), "test", reproducible=False)
    )
    events: list[RunEvent] = field(default_factory=list)

    @property
    def worktree(self) -> Path:
        return self.root / "project"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def store(self) -> ArtifactStore:
        return open_store(str(self.home / "store"))

    def write(self, path: str, text: str) -> Path:
        target = self.worktree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        return target

    def run(
        self,
        *steps: StepSpec,
        run_id: str = "r1",
        data: Mapping[str, str] | None = None,
        emit: Callable[[RunEvent], None] | None = None,
        sources: Mapping[str, SourceSpec] | None = None,
        **options: Any,
    ) -> PipelineResult:
        sources = sources or {name: SourceSpec(name, url, "public", "AE") for name, url in (data or {}).items()}
        spec = ProjectSpec("m", "o", data=sources, steps={step.name: step for step in steps})
        self.events.clear()
        options = {"environment": self.environment, "store": self.store, **options}
        return execute(
            spec,
            worktree=self.worktree,
            run_dir=self.home / "runs" / run_id,
            emit=emit or self.events.append,
            **options,
        )

    def value(self, result: PipelineResult, name: str) -> Any:
        import json

        return json.loads(self.store.read_bytes(result.outputs[name], "value.json"))

    def kinds(self, node: str) -> list[str]:
        return [event.kind for event in self.events if event.node == node]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    new_project = Project(tmp_path)
    new_project.worktree.mkdir()
    return new_project
