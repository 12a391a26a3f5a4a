"""What wins is trained again on all rows: judge first, then the same recipe on the rows that judged, too.

Rows that judge are rows that are not learned from, and on a year of flights that cost more than a badly chosen moment.
So the backtest model that was judged is not what serves. The refit is the same commit,
parameters and seed with another window;
it passes its own gates on rows that neither has learned from and agrees with its backtest model there,
else the backtest model is released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from falaj.config.spec import GateSpec
from falaj.control.runs.training_rows import UNTIL
from falaj.supply_chain.artifacts import Digest
from falaj.trust.lineage import Edge, Node

if TYPE_CHECKING:
    from falaj.build.checks.refit_agreement import Agreement
    from falaj.control.runs.attestation import Findings

PART = "refit."
"""Goes before the names of the steps, checks and gates of the second training of a run."""
BACKTEST_MODEL = "trained again from"


@dataclass(frozen=True)
class Refit:
    """The second training of a run that won, and what it is worth.

    Attributes:
        findings: About the refit, as they are signed.
        packaged: The refit in the form that serves.
        referenced: What monitors of it compare with.
        agreement: With its backtest model.
        backtest_model: Digest of the backtest model, packaged.
        acceptance: Digests of tables that neither has learned from.
    """

    findings: Findings
    packaged: Any
    referenced: Any
    agreement: Agreement
    backtest_model: Digest
    acceptance: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """What the release remembers of it."""
        return {"of": self.backtest_model, "reason": f"trained again on all rows: it {self.agreement.reason}",
                "agreement": asdict(self.agreement), "acceptance": list(self.acceptance)}  # fmt: skip

    def edge(self) -> Edge:
        """That the refit came from its backtest model, for the lineage."""
        return Edge(
            Node("artifact", str(self.packaged.digest)), BACKTEST_MODEL, Node("artifact", str(self.backtest_model))
        )


@dataclass(frozen=True)
class NoRefit:
    """That the backtest model is what is released.

    Attributes:
        reason: Why, in words.
    """

    reason: str

    def shown(self) -> dict[str, Any]:
        """What the release remembers of it."""
        return {"of": None, "reason": f"not trained again on all rows: {self.reason}"}


def acceptance_gates(
    gates: Sequence[GateSpec],
    backtest: Mapping[str, Digest],
    refit: Mapping[str, Digest],
    regression: Mapping[str, Digest],
) -> tuple[GateSpec, ...]:
    """The gates whose rows the refit has not learned from: those that are the same whatever the window is.

    Rows that another window changes are the ones that judged: they belong to what the refit learned from.

    Args:
        gates: Of the run, captured ones too.
        backtest: Outputs of the first pipeline, by name.
        refit: Outputs of the second one.
        regression: Rows of regression gates, which no training reads.
    """
    return tuple(
        gate for gate in gates if gate.data in regression or backtest.get(gate.data) == refit.get(gate.data, "")
    )


def learned_by(retraining: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """Up to which date a release has learned from rows, and from which tables not; nothing of one that was no refit.

    Args:
        retraining: What the release remembers of its training.
    """
    refit = retraining.get("refit") or {}
    if not refit.get("of"):
        return "", frozenset()
    return str(retraining["window"].get(UNTIL, "")), frozenset(refit["acceptance"])


def judging_tables(
    gates: Sequence[GateSpec], backtest: Mapping[str, Digest], refit: Mapping[str, Digest]
) -> frozenset[str]:
    """Tables of gates that judged the backtest model and that the refit has learned from."""
    named = {gate.data for gate in gates}
    return frozenset(name for name in named if name in backtest and backtest[name] != refit.get(name))
