"""What wins is trained again on all rows: judge first, then the same recipe on the rows that judged, too.

Rows that judge are rows that are not learned from, and on a year of flights that cost more than a badly chosen moment.
So the twin that was judged is not what serves. The refit is the same commit, parameters and seed with another window;
it passes its own gates on rows that neither has learned from and agrees with its twin there, else the twin is released.
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
TWIN = "trained again from"


@dataclass(frozen=True)
class Refit:
    """The second training of a run that won, and what it is worth.

    Attributes:
        findings: About the refit, as they are signed.
        packaged: The refit in the form that serves.
        referenced: What monitors of it compare with.
        agreement: With its judged twin.
        twin: Digest of the twin, packaged.
        acceptance: Digests of tables that neither has learned from.
    """

    findings: Findings
    packaged: Any
    referenced: Any
    agreement: Agreement
    twin: Digest
    acceptance: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """What the release remembers of it."""
        return {"of": self.twin, "reason": f"trained again on all rows: it {self.agreement.reason}",
                "agreement": asdict(self.agreement), "acceptance": list(self.acceptance)}  # fmt: skip

    def edge(self) -> Edge:
        """That the refit came from its twin, for the lineage."""
        return Edge(Node("artifact", str(self.packaged.digest)), TWIN, Node("artifact", str(self.twin)))


@dataclass(frozen=True)
class NoRefit:
    """That the judged twin is what is released.

    Attributes:
        reason: Why, in words.
    """

    reason: str

    def shown(self) -> dict[str, Any]:
        """What the release remembers of it."""
        return {"of": None, "reason": f"not trained again on all rows: {self.reason}"}


def acceptance_gates(
    gates: Sequence[GateSpec], twin: Mapping[str, Digest], refit: Mapping[str, Digest], captured: Mapping[str, Digest]
) -> tuple[GateSpec, ...]:
    """The gates whose rows the refit has not learned from: those that are the same whatever the window is.

    Rows that another window changes are the ones that judged: they belong to what the refit learned from.

    Args:
        gates: Of the run, captured ones too.
        twin: Outputs of the first pipeline, by name.
        refit: Outputs of the second one.
        captured: Rows of captured gates, which no training reads.
    """
    return tuple(gate for gate in gates if gate.data in captured or twin.get(gate.data) == refit.get(gate.data, ""))


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
    gates: Sequence[GateSpec], twin: Mapping[str, Digest], refit: Mapping[str, Digest]
) -> frozenset[str]:
    """Tables of gates that judged the twin and that the refit has learned from."""
    named = {gate.data for gate in gates}
    return frozenset(name for name in named if name in twin and twin[name] != refit.get(name))
