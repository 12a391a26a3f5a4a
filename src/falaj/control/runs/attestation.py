"""What a run says of the model that came out of it; the notary holds it against the store, and signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from falaj import __version__
from falaj.build.checks import Agreement, ChampionVerdict, CheckResult, GateResult
from falaj.build.checks.scoring import GateScoring
from falaj.build.checks.selection import Selection
from falaj.build.pipeline.result import PipelineResult
from falaj.build.pipeline.sources import SourceSnapshot
from falaj.config.spec import BEHAVIOUR_CHECKS, ProjectSpec
from falaj.control.compliance import DataClassification, label_of
from falaj.control.notary.attestation import Attestation, Circumstances, GateClaim, ScoredTable, TableFacts
from falaj.control.notary.evidence import check_record
from falaj.control.notary.gates import record_of
from falaj.control.runs.contract import LiveRelease, RunSpec
from falaj.core.sandbox import offered
from falaj.core.venv.environment import Environment
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import ArtifactStore, Digest
from falaj.supply_chain.attestations.predicates import PINNED, PROJECT

_BUILDER = "https://falaj.dev/builders/worker/v1"


@dataclass(frozen=True)
class BacktestModel:
    """What a refit goes by.

    Args:
        digest: Of the backtest model's packaged model.
        parameters: Values that the backtest model's steps were given, by step.
        window: Names of the parameters that say which rows are learned from.
        verdict: How the backtest model did beside the live release.
        agreement: How the refit agrees with it.
    """

    digest: Digest
    parameters: Mapping[str, Mapping[str, Any]]
    window: tuple[str, ...]
    verdict: ChampionVerdict
    agreement: Agreement


@dataclass(frozen=True)
class Findings:
    """All that a run found out.

    Args:
        order: What was asked.
        spec: The project file.
        environment: What the steps ran in.
        pipeline: What the steps gave.
        checks: What the checks found.
        gates: What the gates found.
        model: Digest of the packaged model.
        features: Names of the model's inputs, in order.
        flavor: How the model is packaged.
        packages: Name and version of what the lockfile names.
        live: The release that gates compared with.
        mlflow_run: Tracking run.
        started_at: Unix seconds.
        ended_at: Unix seconds.
        champion: How a retrained candidate did beside the live release; None for other runs.
        labels: What the data is besides what the project file says, by source; the most sensitive first.
        backtest_model: Of a model that was trained again on all rows: its backtest model and how they agree; else None.
        scoring: The answers and labels that the gates were judged by.
        blocks: The column whose values keep rows together, where the candidate was held beside the live release.
        outputs: Digests of the tables of the gates, by name.
        hope: What a retrained candidate had to show.
        selection: How the model's parameters were selected among candidates; None where none were.
        exams: Snapshots of tables that no step has read, by source.
    """

    order: RunSpec
    spec: ProjectSpec
    environment: Environment
    pipeline: PipelineResult
    checks: tuple[CheckResult, ...]
    gates: tuple[GateResult, ...]
    model: Digest
    features: tuple[str, ...]
    flavor: str
    packages: tuple[tuple[str, str], ...]
    live: LiveRelease | None
    mlflow_run: str | None
    started_at: float
    ended_at: float
    champion: ChampionVerdict | None = None
    labels: Mapping[str, Sequence[DataClassification]] = field(default_factory=dict)
    backtest_model: BacktestModel | None = None
    scoring: GateScoring | None = None
    blocks: str | None = None
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    hope: str = ""
    exams: Mapping[str, SourceSnapshot] = field(default_factory=dict)
    selection: Selection | None = None


def attestation_of(
    findings: Findings, store: ArtifactStore, lock: str | None, own_modules: tuple[str, ...]
) -> Attestation:
    """What the notary is asked to sign.

    Args:
        findings: About the run.
        store: Has the snapshots.
        lock: Digest of the folder with the lockfile.
        own_modules: Modules of the project, which its model files may name.
    """
    datasets = tuple(_datasets(findings, store))
    records = tuple(record_of(gate) for gate in findings.gates)
    checks = tuple(check_record(check) for check in findings.checks)
    return Attestation(
        model=findings.spec.model,
        digest=findings.model,
        run=findings.order.run_id,
        commit=findings.order.commit,
        datasets=datasets,
        provenance=_provenance(findings),
        train=_train(findings),
        gates=tuple(map(partial(_claim, findings.scoring, findings.exams), findings.gates, records)),
        circumstances=_circumstances(findings),
        champion=_champion(findings),
        behaviour=tuple(check for check in checks if check.name in BEHAVIOUR_CHECKS),
        content=tuple(check for check in checks if check.name not in BEHAVIOUR_CHECKS),
        bill=bill_of(findings, [*datasets], records),
        lock=lock,
        interpreter=findings.environment.interpreter,
        own_modules=own_modules,
        backtest_model=findings.backtest_model.digest if findings.backtest_model else None,
        comparison=_comparison(findings, findings.backtest_model) if findings.backtest_model else None,
        tables=_table_facts(findings.scoring),
        proof=findings.order.proof,
    )


def tables_of(findings: Findings) -> Mapping[str, ScoredTable]:
    """The answers and labels that the gates were judged by."""
    tables = findings.scoring.tables if findings.scoring else {}
    return {name: ScoredTable(each.label, each.scores, each.slices) for name, each in tables.items()}


def _table_facts(scoring: GateScoring | None) -> dict[str, TableFacts]:
    tables = scoring.tables if scoring else {}
    return {name: TableFacts(each.classes, each.names, dict(each.problems)) for name, each in tables.items()}


def _claim(
    scoring: GateScoring | None, exams: Mapping[str, SourceSnapshot], gate: GateResult, record: attestations.GateRecord
) -> GateClaim:
    scores = scoring.tables.get(gate.gate.data) if scoring else None
    own = {name: value for (text, name), value in scores.own.items() if text == gate.gate.text} if scores else {}
    return GateClaim(gate.gate, replace(record, exam=PINNED if gate.gate.data in exams else PROJECT), own)


def _circumstances(findings: Findings) -> Circumstances:
    live, exams = findings.live, [str(each.digest) for each in findings.exams.values()]
    return Circumstances(
        release=live.number if live else 0,
        live=live.digest if live else None,
        learned_until=live.learned_until if live else "",
        acceptance=tuple(sorted({*live.acceptance, *exams})) if live else (),
        blocks=findings.blocks,
        outputs={name: str(digest) for name, digest in findings.outputs.items()},
        hope=findings.hope if findings.champion else "",
    )


def _datasets(findings: Findings, store: ArtifactStore) -> list[tuple[attestations.Snapshot, attestations.Dataset]]:
    described = []
    for name, snapshot in {**findings.pipeline.snapshots, **findings.exams}.items():
        source, manifest = findings.spec.data[name], store.manifest(snapshot.digest)
        dataset = attestations.Dataset(
            name=name,
            source=source.source,
            pinned=snapshot.description,
            classification=source.classification,
            origin=source.origin,
            sector=source.sector,
            subject_key=source.subject_key,
            files=len(manifest.files),
            size=manifest.size,
            table=snapshot.table.to_json() if snapshot.table else {},
        )
        pinned = attestations.Snapshot(name, snapshot.digest)
        described += [(pinned, each) for each in labelled(dataset, findings.labels.get(name, ()))]
    return described


def labelled(dataset: attestations.Dataset, labels: Sequence[DataClassification]) -> list[attestations.Dataset]:
    """What is said of a snapshot, once for each label that counts: labels add up, and none replaces another."""
    own = label_of(dataset)
    label_datasets = [
        replace(dataset, classification=each.classification, origin=each.origin, sector=each.sector,
                subject_key=each.subject_key)
        for each in labels
        if each != own
    ]  # fmt: skip
    return [*label_datasets, dataset]


def _snapshots(findings: Findings) -> tuple[attestations.Snapshot, ...]:
    return tuple(attestations.Snapshot(name, snapshot.digest) for name, snapshot in findings.pipeline.snapshots.items())


def _provenance(findings: Findings) -> attestations.Provenance:
    dirty, locked = findings.order.commit.endswith("-dirty"), findings.environment.reproducible
    reasons = ["no lockfile: not reproducible"] * (not locked) + ["the checkout had changes"] * dirty
    return attestations.Provenance(
        run=findings.order.run_id,
        repository=findings.order.repository,
        ref=findings.order.ref,
        commit=findings.order.commit,
        parameters=findings.order.params,
        snapshots=(
            *_snapshots(findings),
            *(attestations.Snapshot(name, each.digest) for name, each in findings.exams.items()),
        ),
        environment=f"sha256:{findings.environment.digest}" if locked else None,
        reproducible=not reasons,
        reason="; ".join(reasons),
        builder=_BUILDER,
        version=__version__,
        started_at=findings.started_at,
        ended_at=findings.ended_at,
        trigger=findings.order.trigger,
        cause=findings.order.training.evidence() if findings.order.training else {},
        sandbox=str(offered()),
    )


def _train(findings: Findings) -> attestations.Train:
    metrics: dict[str, float | None] = {
        f"{node}.{name}": value
        for node, step in findings.pipeline.steps.items()
        for name, value in step.metrics.items()
    }
    return attestations.Train(
        model=findings.spec.model,
        run=findings.order.run_id,
        commit=findings.order.commit,
        step=findings.spec.model_step or "",
        author=findings.order.author,
        contributors=findings.order.contributors,
        since=findings.order.since,
        started_by=findings.order.started_by,
        snapshots=_snapshots(findings),
        features=findings.features,
        parameters=_parameters(findings.spec, findings.order.params),
        metrics=metrics,
        mlflow_run=findings.mlflow_run,
        purpose=findings.spec.privacy.purpose,
        automated_decisions=findings.spec.privacy.automated_decisions,
        human_review=findings.spec.privacy.human_review,
        refit_of=findings.backtest_model.digest if findings.backtest_model else None,
        selection=_selection(findings.selection) if findings.selection else None,
    )


def _selection(selection: Selection) -> attestations.SelectionRecord:
    assert selection.best is not None
    candidates = tuple(
        attestations.CandidateRecord(each.name, each.params, each.model, each.table, each.score, each.reason)
        for each in selection.candidates
    )
    return attestations.SelectionRecord(
        selection.step, selection.select.text, selection.better, selection.best.name, candidates
    )


def _parameters(spec: ProjectSpec, params: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**step.params, **params.get(name, {})} for name, step in spec.steps.items()}


def _comparison(findings: Findings, backtest_model: BacktestModel) -> attestations.ComparisonRecord:
    return attestations.ComparisonRecord(
        run=findings.order.run_id,
        commit=findings.order.commit,
        model=findings.spec.model,
        refit=findings.model,
        live=findings.live.digest if findings.live else None,
        parameters=_parameters(findings.spec, backtest_model.parameters),
        window=backtest_model.window,
        verdict=asdict(backtest_model.verdict),
        agreement=asdict(backtest_model.agreement),
    )


def _champion(findings: Findings) -> dict[str, Any] | None:
    return None if findings.champion is None else asdict(findings.champion)


def _first_of_each(
    datasets: list[tuple[attestations.Snapshot, attestations.Dataset]],
) -> Iterator[tuple[attestations.Snapshot, attestations.Dataset]]:
    """Each snapshot once, by its most sensitive label."""
    visited: set[attestations.Snapshot] = set()
    for snapshot, dataset in datasets:
        if snapshot not in visited:
            visited.add(snapshot)
            yield snapshot, dataset


def bill_of(
    findings: Findings,
    datasets: list[tuple[attestations.Snapshot, attestations.Dataset]],
    gates: tuple[attestations.GateRecord, ...],
) -> attestations.MlBom:
    """The bill of materials of the model of a run."""
    return attestations.MlBom(
        model=findings.spec.model,
        digest=findings.model,
        owner=findings.spec.owner,
        risk=findings.spec.risk,
        run=findings.order.run_id,
        commit=findings.order.commit,
        flavor=findings.flavor,
        features=findings.features,
        datasets=tuple(_first_of_each(datasets)),
        packages=findings.packages,
        gates=gates,
        version=__version__,
        made_at=findings.ended_at,
    )
