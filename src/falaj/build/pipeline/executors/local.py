"""This machine: the step's process is started here, in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from falaj.build.pipeline.step_env import step_environ

if TYPE_CHECKING:
    from falaj.build.pipeline.cache import Output
    from falaj.build.pipeline.step_attempt import StepResources
    from falaj.build.pipeline.step_order import StepOrder


class LocalExecutor:
    """Runs steps on this machine.

    Args:
        bench: Where and with what they run.
        outer: Environment variables of this process.
    """

    def __init__(self, bench: StepResources, outer: Mapping[str, str]) -> None:
        self._bench, self._outer = bench, outer

    def execute(self, order: StepOrder, stop: int, output: Callable[[bytes], None]) -> Mapping[str, Output]:
        """See `Executor.execute`."""
        bench = self._bench
        environ = step_environ(bench.environment, bench.worktree, order.limits.cpu, order.variables, self._outer)
        return bench.run(order, environ, stop, output)
