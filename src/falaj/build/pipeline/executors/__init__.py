"""Where steps run: an executor carries out orders, and starts processes, no more.

Fingerprints, the cache, events and evidence stay with who conducts the run, so that every executor gives the same
digests. `local` is this machine; others come with a `Placement`, which says which step goes where.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from falaj.build.pipeline.cache import Output
    from falaj.build.pipeline.step_order import StepOrder
    from falaj.config.spec import StepSpec


class Executor(Protocol):
    """Carries out orders."""

    @property
    def name(self) -> str:
        """As the platform file says it."""
        ...

    def require_permitted(self, step: str, sources: Collection[str]) -> None:
        """Make sure that data of these sources may go there, before anything does.

        Raises:
            StepError: It may not (`step.residency`).
        """
        ...

    def execute(self, order: StepOrder, stop: int, output: Callable[[bytes], None]) -> Mapping[str, Output]:
        """Carry out one attempt, at least once.

        Args:
            order: The attempt.
            stop: A file descriptor that becomes readable when the step shall stop.
            output: Receives what it prints.

        Returns:
            Its outputs, which are in the store.

        Raises:
            StepError: The step failed, was stopped, or was lost (`step.lost`).
            DamagedInputError: An input could not be read from the store.
        """
        ...


class Placement(Protocol):
    """Says where steps run."""

    @property
    def fence(self) -> int:
        """Token of who conducts the run; orders of an earlier holder are void."""
        ...

    def executor_of(self, step: StepSpec) -> Executor | None:
        """The executor of a step; None for this machine."""
        ...


class _Here:
    fence = 0

    def executor_of(self, step: StepSpec) -> Executor | None:  # noqa: ARG002 - part of the seam
        return None


no_placement: Placement = _Here()
"""Every step runs on this machine."""

__all__ = ["Executor", "Placement", "no_placement"]
