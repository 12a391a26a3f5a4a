"""What a run says of the model that came out of it; the notary holds it against the store, and signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from falaj import __version__
from falaj.build.checks import Agreement, ChampionVerdict, CheckResult, GateResult
from falaj.build.checks.scoring import Scoring
from falaj.build.pipeline.result import PipelineResult
from falaj.build.pipeline.sources import Snapshot
from falaj.config.spec import ProjectSpec
from falaj.control.compliance import Label, label_of
from falaj.control.notary.attestation import Attestation, Circumstances, GateClaim, ScoredTable, TableFacts
from falaj.control.notary.evidence import check_record
from falaj.control.notary.gates import record_of
from falaj.control.runs.outcome import LiveRelease, Order
from falaj.core.sandbox import offered
from falaj.core.venv.environment import Environment
from falaj.supply_chain import attestations as ev
from falaj.supply_chain.artifacts import ArtifactStore, Digest
from falaj.supply_chain.attestations.predicates import PINNED, PROJECT

_BUILDER = "https://falaj.dev/builders/worker/v1"
BEHAVIOUR = ("tests", "data", "model")
"""Checks whose records are `tests` evidence; the others are `scan` evidence."""


@dataclass(frozen=True)
class JudgedTwin:
    """What a refit goes by.

    Args:
        digest: Of the twin's packaged model.
        parameters: Values that the twin's steps were given, by step.
        window: Names of the parameters that say which rows are learned from.
        verdict: How the twin did beside the live release.
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
        twin: Of a model that was trained again on all rows: its judged twin and how they agree; else None.
        scoring: The answers and labels that the gates were judged by.
        blocks: The column whose values keep rows together, where the candidate was held beside the live release.
        outputs: Digests of the tables of the gates, by name.
        hope: What a retrained candidate had to show.
        exams: Snapshots of tables that no step has read, by source.
    """

    order: Order
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
    labels: Mapping[str, Sequence[Label]] = field(default_factory=dict)
    twin: JudgedTwin | None = None
    scoring: Scoring | None = None
    blocks: str | None = None
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    hope: str = ""
    exams: Mapping[str, Snapshot] = field(default_factory=dict)


def attestation_of(
    found: Findings, store: ArtifactStore, lock: str | None, own_modules: tuple[str, ...]
) -> Attestation:
    """What the notary is asked to sign.

    Args:
        found: About the run.
        store: Has the snapshots.
        lock: Digest of the folder with the lockfile.
        own_modules: Modules of the project, which its model files may name.
    """
    datasets = tuple(_datasets(found, store))
    records = tuple(record_of(gate) for gate in found.gates)
    checks = tuple(check_record(check) for check in found.checks)
    return Attestation(
        model=found.spec.model,
        digest=found.model,
        run=found.order.run_id,
        commit=found.order.commit,
        datasets=datasets,
        provenance=_provenance(found),
        train=_train(found),
        gates=tuple(map(partial(_claim, found.scoring, found.exams), found.gates, records)),
        circumstances=_circumstances(found),
        champion=_champion(found),
        behaviour=tuple(check for check in checks if check.name in BEHAVIOUR),
        content=tuple(check for check in checks if check.name not in BEHAVIOUR),
        bill=bill_of(found, [*datasets], records),
        lock=lock,
        interpreter=found.environment.interpreter,
        own_modules=own_modules,
        twin=found.twin.digest if found.twin else None,
        comparison=_comparison(found, found.twin) if found.twin else None,
        tables=_table_facts(found.scoring),
        proof=found.order.proof,
    )


def tables_of(found: Findings) -> Mapping[str, ScoredTable]:
    """The answers and labels that the gates were judged by."""
    tables = found.scoring.tables if found.scoring else {}
    return {name: ScoredTable(each.label, each.scores, each.slices) for name, each in tables.items()}


def _table_facts(scoring: Scoring | None) -> dict[str, TableFacts]:
    tables = scoring.tables if scoring else {}
    return {name: TableFacts(each.classes, each.names, dict(each.problems)) for name, each in tables.items()}


def _claim(
    scoring: Scoring | None, exams: Mapping[str, Snapshot], gate: GateResult, record: ev.GateRecord
) -> GateClaim:
    scores = scoring.tables.get(gate.gate.data) if scoring else None
    own = {name: value for (text, name), value in scores.own.items() if text == gate.gate.text} if scores else {}
    return GateClaim(gate.gate, replace(record, exam=PINNED if gate.gate.data in exams else PROJECT), own)


def _circumstances(found: Findings) -> Circumstances:
    live, exams = found.live, [str(each.digest) for each in found.exams.values()]
    return Circumstances(
        release=live.number if live else 0,
        live=live.digest if live else None,
        learned_until=live.learned_until if live else "",
        acceptance=tuple(sorted({*live.acceptance, *exams})) if live else (),
        blocks=found.blocks,
        outputs={name: str(digest) for name, digest in found.outputs.items()},
        hope=found.hope if found.champion else "",
    )


def _datasets(found: Findings, store: ArtifactStore) -> list[tuple[ev.Snapshot, ev.Dataset]]:
    described = []
    for name, snapshot in {**found.pipeline.snapshots, **found.exams}.items():
        source, manifest = found.spec.data[name], store.manifest(snapshot.digest)
        dataset = ev.Dataset(
            name=name,
            source=source.source,
            pinned=snapshot.description,
            classification=source.classification,
            origin=source.origin,
            sector=source.sector,
            subject_key=source.subject_key,
            files=len(manifest.files),
            size=manifest.size,
        )
        pinned = ev.Snapshot(name, snapshot.digest)
        described += [(pinned, each) for each in labelled(dataset, found.labels.get(name, ()))]
    return described


def labelled(dataset: ev.Dataset, labels: Sequence[Label]) -> list[ev.Dataset]:
    """What is said of a snapshot, once for each label that counts: labels add up, and none replaces another."""
    own = label_of(dataset)
    given = [
        replace(dataset, classification=each.classification, origin=each.origin, sector=each.sector,
                subject_key=each.subject_key)
        for each in labels
        if each != own
    ]  # fmt: skip
    return [*given, dataset]


def _snapshots(found: Findings) -> tuple[ev.Snapshot, ...]:
    return tuple(ev.Snapshot(name, snapshot.digest) for name, snapshot in found.pipeline.snapshots.items())


def _provenance(found: Findings) -> ev.Provenance:
    dirty, locked = found.order.commit.endswith("-dirty"), found.environment.reproducible
    reasons = ["no lockfile: not reproducible"] * (not locked) + ["the checkout had changes"] * dirty
    return ev.Provenance(
        run=found.order.run_id,
        repository=found.order.repository,
        ref=found.order.ref,
        commit=found.order.commit,
        parameters=found.order.params,
        snapshots=(*_snapshots(found), *(ev.Snapshot(name, each.digest) for name, each in found.exams.items())),
        environment=f"sha256:{found.environment.digest}" if locked else None,
        reproducible=not reasons,
        reason="; ".join(reasons),
        builder=_BUILDER,
        version=__version__,
        started_at=found.started_at,
        ended_at=found.ended_at,
        trigger=found.order.trigger,
        cause=found.order.training.evidence() if found.order.training else {},
        wall=str(offered()),
    )


def _train(found: Findings) -> ev.Train:
    metrics: dict[str, float | None] = {
        f"{node}.{name}": value for node, step in found.pipeline.steps.items() for name, value in step.metrics.items()
    }
    return ev.Train(
        model=found.spec.model,
        run=found.order.run_id,
        commit=found.order.commit,
        step=found.spec.model_step or "",
        author=found.order.author,
        contributors=found.order.contributors,
        since=found.order.since,
        started_by=found.order.started_by,
        snapshots=_snapshots(found),
        features=found.features,
        parameters=_parameters(found.spec, found.order.params),
        metrics=metrics,
        mlflow_run=found.mlflow_run,
        purpose=found.spec.privacy.purpose,
        automated_decisions=found.spec.privacy.automated_decisions,
        human_review=found.spec.privacy.human_review,
        refit_of=found.twin.digest if found.twin else None,
    )


def _parameters(spec: ProjectSpec, params: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**step.params, **params.get(name, {})} for name, step in spec.steps.items()}


def _comparison(found: Findings, twin: JudgedTwin) -> ev.Comparison:
    return ev.Comparison(
        run=found.order.run_id,
        commit=found.order.commit,
        model=found.spec.model,
        refit=found.model,
        live=found.live.digest if found.live else None,
        parameters=_parameters(found.spec, twin.parameters),
        window=twin.window,
        verdict=asdict(twin.verdict),
        agreement=asdict(twin.agreement),
    )


def _champion(found: Findings) -> dict[str, Any] | None:
    return None if found.champion is None else asdict(found.champion)


def _first_of_each(
    datasets: list[tuple[ev.Snapshot, ev.Dataset]],
) -> Iterator[tuple[ev.Snapshot, ev.Dataset]]:
    """Each snapshot once, by its most sensitive label."""
    seen: set[ev.Snapshot] = set()
    for snapshot, dataset in datasets:
        if snapshot not in seen:
            seen.add(snapshot)
            yield snapshot, dataset


def bill_of(
    found: Findings, datasets: list[tuple[ev.Snapshot, ev.Dataset]], gates: tuple[ev.GateRecord, ...]
) -> ev.MlBom:
    """The bill of materials of the model of a run."""
    return ev.MlBom(
        model=found.spec.model,
        digest=found.model,
        owner=found.spec.owner,
        risk=found.spec.risk,
        run=found.order.run_id,
        commit=found.order.commit,
        flavor=found.flavor,
        features=found.features,
        datasets=tuple(_first_of_each(datasets)),
        packages=found.packages,
        gates=gates,
        version=__version__,
        made_at=found.ended_at,
    )
