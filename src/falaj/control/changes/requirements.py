"""What an environment asks of a release's signed evidence, beside that it is complete (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from falaj.config.platform_spec import EnvironmentSpec
from falaj.supply_chain.attestations import GateRecord
from falaj.supply_chain.attestations.predicates import LIBRARIES, OURS, PINNED


def shortfalls(environment: EnvironmentSpec, gates: Sequence[GateRecord], code: str) -> Iterator[str]:
    """What is asked for and not there, a sentence each.

    Args:
        environment: Says what is asked for.
        gates: Of the release; all have passed.
        code: Whose code is loaded with the model: `own` or `libraries`; empty when it was not told.
    """
    computed = [gate for gate in gates if gate.metric == OURS]
    if environment.require_computed_metric and not computed:
        yield "no gate has a metric that the platform computes"
    judging = computed if environment.require_computed_metric else gates
    if environment.require_pinned_exam and not any(gate.exam == PINNED for gate in judging):
        yield "no gate is on a table that no step could read"
    if environment.require_library_code and code != LIBRARIES:
        yield "code of the project is loaded with the model"
