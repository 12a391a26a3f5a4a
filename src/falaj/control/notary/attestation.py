"""What a worker asks the notary to sign about a run: typed claims, and the scores by which gates are computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from falaj.build.checks.scoring import OwnValue
from falaj.config.spec import GateSpec
from falaj.control.notary.arrays import TableLayout
from falaj.control.notary.commit import CommitProof
from falaj.supply_chain.attestations.mlbom import MlBom
from falaj.supply_chain.attestations.predicates import (
    CheckRecord,
    ComparisonRecord,
    Dataset,
    GateRecord,
    Snapshot,
    Train,
)
from falaj.supply_chain.attestations.provenance import Provenance

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoredTable:
    """The arrays of one table that gates read.

    Args:
        label: One label a row.
        scores: One answer a row, by model.
        slices: One text a row, by column.
    """

    label: NDArray[Any]
    scores: Mapping[str, NDArray[Any]]
    slices: Mapping[str, NDArray[Any]]


class TableFacts(msgspec.Struct, frozen=True):
    """What goes with the arrays of a table.

    Args:
        classes: What the columns of scores stand for.
        names: The classes of models.
        problems: Why a model has no scores, by model.
    """

    classes: tuple[Any, ...] = ()
    names: tuple[Any, ...] = ()
    problems: dict[str, str] = {}


class GateClaim(msgspec.Struct, frozen=True):
    """A gate and what the worker says of it.

    Args:
        spec: The gate as it is declared.
        record: What came of it.
        own: Of a metric that is a function of the project: what it gave, by slice.
    """

    spec: GateSpec
    record: GateRecord
    own: dict[str, OwnValue] = {}


class Circumstances(msgspec.Struct, frozen=True):
    """What gates are judged under; the worker's word.

    Args:
        release: Number of the live release; 0 before the first.
        live: Digest of its model.
        learned_until: Date up to which it has learned, where it was trained again on all rows.
        acceptance: Tables that it has not learned from.
        blocks: The column whose values keep rows together.
        outputs: Digests of tables by the name that gates use.
        seed: Of every random choice.
        hope: What a retrained candidate has to show; empty for one that is not.
    """

    release: int = 0
    live: str | None = None
    learned_until: str = ""
    acceptance: tuple[str, ...] = ()
    blocks: str | None = None
    outputs: dict[str, str] = {}
    seed: int = 0
    hope: str = ""


class Attestation(msgspec.Struct, frozen=True):
    """The claims about one run.

    Args:
        model: Name of the model line.
        digest: The packaged model.
        run: Run id.
        commit: Full commit id.
        datasets: Each snapshot with what is said of it; once for each label.
        provenance: How to make the model again.
        train: How the model came to be.
        gates: Each gate with its claim.
        circumstances: What they were judged under.
        champion: How a retrained candidate did beside the live release.
        behaviour: Checks of behaviour.
        content: Checks of content.
        bill: The bill of materials.
        lock: Digest of the folder with the lockfile; None without one.
        interpreter: Version of the environment's Python.
        own_modules: Modules of the project, which its model files may name.
        backtest_model: Of a model that was trained again on all rows: digest of its backtest model.
        comparison: How that backtest model did.
        tables: What goes with the arrays, by table.
        layout: Where the arrays are.
        proof: Shows the project file of the commit; None for a checkout that is run by hand.
    """

    model: str
    digest: str
    run: str
    commit: str
    datasets: tuple[tuple[Snapshot, Dataset], ...]
    provenance: Provenance
    train: Train
    gates: tuple[GateClaim, ...]
    circumstances: Circumstances
    champion: dict[str, Any] | None
    behaviour: tuple[CheckRecord, ...]
    content: tuple[CheckRecord, ...]
    bill: MlBom
    lock: str | None = None
    interpreter: str = ""
    own_modules: tuple[str, ...] = ()
    backtest_model: str | None = None
    comparison: ComparisonRecord | None = None
    tables: dict[str, TableFacts] = {}
    layout: dict[str, TableLayout] = {}
    proof: CommitProof | None = None
