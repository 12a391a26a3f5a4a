"""What a check is given: the specification, the checkout, the environment and the artifacts of one run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from falaj.config.spec import GateSpec, ProjectSpec
from falaj.core.errors import RunFailedError
from falaj.supply_chain.artifacts import ArtifactStore, Digest

_FETCHING = threading.Lock()
READING = ".read"
"""Ending of the note beside a data source that says how it is read."""


class CheckError(RunFailedError):
    """A check could not be done; the run fails with the reason instead of passing unchecked."""

    code = "checks.not-done"


class ProjectEnvironment(Protocol):
    """What checks need of a built environment."""

    @property
    def python(self) -> Path:
        """The interpreter of the project's environment."""
        ...

    @property
    def digest(self) -> str:
        """Of everything about it that results can depend on."""
        ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """What its programs read of it."""
        ...


@dataclass(frozen=True)
class LiveModel:
    """The release that serves now.

    Attributes:
        release: Its number.
        digest: Digest of its model artifact.
        learned_until: Of one that was trained again on all rows: the date up to which it has learned, in ISO form.
        acceptance: Digests of tables that it has not learned from, whatever their dates are.
    """

    release: int
    digest: Digest
    learned_until: str = ""
    acceptance: frozenset[str] = frozenset()


class Gates(Protocol):
    """Something with gates."""

    @property
    def gates(self) -> tuple[GateSpec, ...]:
        """In the order of the file."""
        ...


class GateContext(Protocol):
    """What gates on scored rows are judged by."""

    @property
    def spec(self) -> Gates:
        """Has the gates."""
        ...

    @property
    def live(self) -> LiveModel | None:
        """The release to compare with."""
        ...

    @property
    def blocks(self) -> str | None:
        """The column whose values keep rows together."""
        ...

    @property
    def outputs(self) -> Mapping[str, Digest]:
        """Digests by name."""
        ...

    @property
    def seed(self) -> int:
        """Of every random choice."""
        ...

    def model_digest(self) -> Digest:
        """The digest of the model."""
        ...


@dataclass(frozen=True)
class CheckContext:
    """Everything that checks and gates of one run may look at.

    Attributes:
        spec: The project file.
        worktree: The checkout of the commit.
        environment: The project's environment.
        store: Where artifacts are fetched from.
        workdir: Scratch folder of the caller; checks write only below it.
        outputs: Digest by `step`, `step.output` or source name.
        live: The release to compare with; None before the first one.
        champion: Whether the candidate is held beside the live release although no gate asks for it.
        blocks: The column whose values keep rows together, such as their day; None where rows are independent.
        seed: Seed of every random choice.
        now: Seconds since the epoch, for freshness.
        home: The installation's folder, of which tools see what they are given; None where there is none.
        stop: A file descriptor that becomes readable when the run is cancelled; None when it cannot be.
    """

    spec: ProjectSpec
    worktree: Path
    environment: ProjectEnvironment
    store: ArtifactStore
    workdir: Path
    outputs: Mapping[str, Digest]
    live: LiveModel | None = None
    champion: bool = False
    blocks: str | None = None
    seed: int = 0
    now: float = field(default_factory=time.time)
    home: Path | None = None
    stop: int | None = None

    def options(self, check: str) -> Mapping[str, Any]:
        """The options that the project gives a check; empty when it gives none."""
        return self.spec.checks.get(check, {})

    def fetch(self, name: str) -> Path:
        """The output of that name on disk, fetched once.

        Raises:
            CheckError: The run has no such output.
        """
        if name not in self.outputs:
            raise CheckError(
                f"the run has no output {name!r}", hint=f"it has {', '.join(sorted(self.outputs)) or 'none'}"
            )
        source = self.spec.data.get(name)
        if source is None:
            return self.fetch_digest(self.outputs[name])
        filename = source.filename
        path = self.fetch_digest(self.outputs[name], f"{name}-{filename}")
        path.with_name(f"{path.name}{READING}").write_text(json.dumps(dict(source.read)))
        return path

    def fetch_digest(self, digest: Digest, filename: str = "") -> Path:
        """An artifact on disk, fetched once.

        Args:
            digest: Which.
            filename: Its name where the ending says what it is; empty for that of the digest.
        """
        target = self.workdir / "artifacts" / digest.replace(":", "-")
        target = target.with_name(f"{target.name}-{filename}") if filename else target
        with _FETCHING:  # checks of one run go on in several threads
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                self.store.fetch(digest, target)
        return target

    def model_digest(self) -> Digest:
        """The digest of the model that the run made.

        Raises:
            CheckError: The run made no model.
        """
        step = self.spec.model_step
        if step is None or step not in self.outputs:
            raise CheckError("the run made no model", hint="one step needs `output: model`")
        return self.outputs[step]
