"""What the evidence of a release must say together; each rule is pure and yields every problem that it sees.

The signatures were checked before: a rule may believe who signed, and asks only whether the statements fit each other
and the release. A later requirement (quorum of approvals, an admission that has not expired) is one more rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from falaj.supply_chain.attestations.bundle import BundledRelease
from falaj.supply_chain.attestations.decisions import (
    ADMISSION,
    APPROVAL,
    IDENTITY,
    AdmissionDecision,
    Approval,
    IdentityRecord,
)
from falaj.supply_chain.attestations.mlbom import MLBOM, MlBomFacts
from falaj.supply_chain.attestations.predicates import (
    COMPARISON,
    DATASET,
    EVAL,
    PROVENANCE,
    SCAN,
    TESTS,
    TRAIN,
    CheckRecord,
    ComparisonRecord,
    Dataset,
    Eval,
    Scan,
    Snapshot,
    Tests,
    Train,
)
from falaj.supply_chain.attestations.provenance import ProvenanceFacts
from falaj.supply_chain.attestations.rollouts import ROLLOUT, RolloutRecord
from falaj.supply_chain.attestations.statement import Statement

REQUIRED = (PROVENANCE, TRAIN, EVAL, TESTS, SCAN, MLBOM)
NOT_ABOUT_THE_MODEL = (DATASET, IDENTITY, COMPARISON)


@dataclass(frozen=True)
class EvidenceProblem:
    """One reason not to believe a release.

    Args:
        code: Stable identifier.
        where: The file.
        message: What is wrong, in one line.
    """

    code: str
    where: str
    message: str

    def __str__(self) -> str:
        """`where: message`."""
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Verified:
    """A statement whose signature holds, with its predicate read.

    Args:
        where: The file it was in.
        statement: The statement.
        content: The predicate as its class.
        key_ids: Who signed it.
        envelope: `envelope_digest` of what carried it.
    """

    where: str
    statement: Statement
    content: Any
    key_ids: frozenset[str]
    envelope: str = ""


@dataclass(frozen=True)
class EvidenceFacts:
    """All that a rule may look at.

    Args:
        release: What the release claims.
        statements: Verified statements in order of their files.
    """

    release: BundledRelease
    statements: tuple[Verified, ...]

    def of(self, predicate_type: str) -> tuple[Verified, ...]:
        """Return the statements of one type."""
        return tuple(item for item in self.statements if item.statement.predicate_type == predicate_type)


Rule = Callable[[EvidenceFacts], Iterator[EvidenceProblem]]


def everything_required_is_there(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Demand each type of evidence that a release needs."""
    for predicate_type in REQUIRED:
        if not facts.of(predicate_type):
            yield EvidenceProblem("evidence.missing", "evidence", f"there is no {short(predicate_type)} evidence")


def everything_is_about_this_model(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Demand that all but datasets, identities and comparisons of backtest models speak of the released model."""
    for item in facts.statements:
        kind = item.statement.predicate_type
        if kind not in NOT_ABOUT_THE_MODEL and not item.statement.is_about(facts.release.digest):
            subjects = ", ".join(subject.digest[:19] for subject in item.statement.subjects)
            yield EvidenceProblem(
                "evidence.lineage", item.where, f"this {short(kind)} is about another model ({subjects})"
            )


def everything_is_of_this_run(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Demand that whatever names a run, commit, model or digest names those of the release."""
    release = facts.release
    expected = {"run": release.run, "commit": release.commit, "model": release.model, "digest": release.digest}
    for item in facts.statements:
        for field, value in expected.items():
            actual = getattr(item.content, field, value)
            if actual != value:
                kind = short(item.statement.predicate_type)
                yield EvidenceProblem(
                    "evidence.lineage", item.where, f"this {kind} is of {field} {actual}, the release of {value}"
                )


def every_snapshot_has_its_dataset(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Join train, provenance and dataset: the same snapshots, each one described, and no foreign one."""
    described = {snapshot for item in facts.of(DATASET) for snapshot in _described(item)}
    used: set[Snapshot] = set()
    for item in facts.of(TRAIN):
        train: Train = item.content
        used |= set(train.snapshots)
        yield from _differences(item.where, "trained on", set(train.snapshots) - described, "without dataset evidence")
    for item in facts.of(PROVENANCE):
        provenance: ProvenanceFacts = item.content
        used |= provenance.snapshots
        for train_item in facts.of(TRAIN):
            missing = set(train_item.content.snapshots) - provenance.snapshots
            yield from _differences(item.where, "does not name", missing, "that training used")
    for item in facts.of(DATASET):
        yield from _differences(item.where, "describes", _described(item) - used, "that this release never used")
    for item in facts.of(MLBOM):
        bill: MlBomFacts = item.content
        yield from _differences(item.where, "does not list", used - bill.snapshots, "that this release used")
        yield from _differences(item.where, "lists", bill.snapshots - used, "that this release never used")


def every_gate_passed(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Demand at least one gate, and that all passed."""
    for item in facts.of(EVAL):
        evaluation: Eval = item.content
        if not evaluation.gates:
            yield EvidenceProblem("evidence.nothing-checked", item.where, "no gate was evaluated")
        for gate in evaluation.gates:
            if not gate.passed:
                yield EvidenceProblem(
                    "evidence.gate-failed", item.where, f"the gate `{gate.text}` failed: {gate.reason}"
                )


def every_check_passed(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Demand that tests and scans looked at something and passed."""
    for item in facts.of(TESTS):
        yield from _unpassed(item, "behaviour (`tests`, `model`, or what `expect` says of data)")
    for item in facts.of(SCAN):
        yield from _unpassed(item, "content")


def a_refit_has_the_comparison_of_its_twin(facts: EvidenceFacts) -> Iterator[EvidenceProblem]:
    """Demand of a refit that its backtest model won, by the same recipe, and agrees."""
    backtests = {item.content.refit_of: item for item in facts.of(TRAIN) if item.content.refit_of}
    for item in facts.of(COMPARISON):
        train = next(
            (each for backtest_model, each in backtests.items() if item.statement.is_about(backtest_model)), None
        )
        if train is None:
            yield EvidenceProblem(
                "evidence.lineage", item.where, "this comparison is of a backtest model that this model has not"
            )
            continue
        yield from (
            EvidenceProblem("evidence.comparison", item.where, problem)
            for problem in _doubts(item.content, train.content, facts.release.digest)
        )
    for backtest_model, item in backtests.items():
        if not any(each.statement.is_about(backtest_model) for each in facts.of(COMPARISON)):
            yield EvidenceProblem(
                "evidence.missing", item.where, f"there is no comparison of the backtest model {backtest_model[:19]}"
            )


def _doubts(comparison: ComparisonRecord, train: Train, digest: str) -> Iterator[str]:
    if comparison.refit != digest:
        yield f"the comparison is of the backtest model of another model ({comparison.refit[:19]})"
    if not comparison.verdict.get("wins"):
        yield "the backtest model did not win"
    if not comparison.agreement.get("agrees"):
        yield "the backtest model and the model trained on all rows do not agree"
    window = set(comparison.window)
    if _recipe(comparison.parameters, window) != _recipe(train.parameters, window):
        yield "the backtest model was trained with other parameters"


def _recipe(parameters: Mapping[str, Any], window: Set[str]) -> Mapping[str, Any]:
    """The parameters of steps but for those that say which rows are learned from."""
    return {
        step: {name: value for name, value in values.items() if name not in window}
        for step, values in parameters.items()
    }


def _unpassed(item: Verified, kind: str) -> Iterator[EvidenceProblem]:
    checks: tuple[CheckRecord, ...] = item.content.checks
    if not checks:
        yield EvidenceProblem("evidence.nothing-checked", item.where, f"no check of {kind} ran")
    for check in checks:
        if check.checked < 1:
            yield EvidenceProblem("evidence.nothing-checked", item.where, f"the check `{check.name}` looked at nothing")
        elif not check.passed:
            yield EvidenceProblem(
                "evidence.check-failed", item.where, f"the check `{check.name}` failed: {check.summary}"
            )


RULES: tuple[Rule, ...] = (
    everything_required_is_there,
    everything_is_about_this_model,
    everything_is_of_this_run,
    every_snapshot_has_its_dataset,
    every_gate_passed,
    every_check_passed,
    a_refit_has_the_comparison_of_its_twin,
)

CONTENT: Mapping[str, type[Any]] = {
    DATASET: Dataset,
    TRAIN: Train,
    EVAL: Eval,
    TESTS: Tests,
    SCAN: Scan,
    COMPARISON: ComparisonRecord,
    IDENTITY: IdentityRecord,
    APPROVAL: Approval,
    ADMISSION: AdmissionDecision,
    ROLLOUT: RolloutRecord,
}
"""The class of each predicate but provenance, whose shape is SLSA's, and mlbom, whose shape is CycloneDX's."""


def short(predicate_type: str) -> str:
    """Return the word for people: `eval` of `https://falaj.dev/evidence/eval/v1`."""
    if predicate_type == MLBOM:
        return "mlbom"
    return predicate_type.removeprefix("https://falaj.dev/evidence/").removesuffix("/v1")


def _described(item: Verified) -> set[Snapshot]:
    dataset: Dataset = item.content
    return {Snapshot(dataset.name, subject.digest) for subject in item.statement.subjects}


def _differences(where: str, verb: str, snapshots: Set[Snapshot], end: str) -> Iterator[EvidenceProblem]:
    for snapshot in sorted(snapshots, key=lambda item: (item.name, item.digest)):
        named = f"{snapshot.name} ({snapshot.digest[:19]})"
        yield EvidenceProblem("evidence.lineage", where, f"{verb} snapshot {named} {end}")
