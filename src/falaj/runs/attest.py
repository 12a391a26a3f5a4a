"""The evidence of a run: what it says about the model that came out of it, signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from falaj import __version__
from falaj import evidence as ev
from falaj.artifacts import ArtifactStore, Digest
from falaj.checks import Agreement, ChampionVerdict, CheckResult, GateResult
from falaj.confinement import offered
from falaj.governance.privacy import Label, label_of
from falaj.pipeline.environment import Environment
from falaj.pipeline.result import PipelineResult
from falaj.project.spec import ProjectSpec
from falaj.runs.outcome import LiveRelease, Order

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


def attest(found: Findings, store: ArtifactStore, keys: ev.Keyring) -> list[tuple[str, Mapping[str, Any]]]:
    """Sign what was found, each statement by the role that may say it.

    Dataset statements come first, then provenance, train, eval, tests, scan and bill of materials of the model.
    """
    datasets = _datasets(found, store)
    statements = [*(dataset_statement(*each) for each in datasets), *_about_the_model(found, datasets)]
    return [
        (kind, ev.sign_statement(each, keys.signer_for(kind))) for each in statements if (kind := each.predicate_type)
    ]


def believable(found: Findings, envelopes: list[tuple[str, Mapping[str, Any]]], keys: ev.Keyring) -> list[str]:
    """Why a verifier would not believe a release with this evidence; empty when it would.

    Asked before a release is made, so that what agents would refuse never gets a number.
    """
    release = ev.Release(found.spec.model, 0, found.model, found.order.run_id, found.order.commit)
    bundle = ev.bundle_of(release, [dict(envelope) for _, envelope in envelopes])
    checked = ev.verify_release(bundle, keys.trusted(), Path(), digest_of=lambda _: found.model)
    return [problem.message for problem in checked.problems]


def dataset_statement(snapshot: ev.Snapshot, dataset: ev.Dataset) -> ev.Statement:
    """What is said about a snapshot."""
    return ev.statement(ev.DATASET, [(snapshot.name, snapshot.digest)], dataset.as_dict())


def _datasets(found: Findings, store: ArtifactStore) -> list[tuple[ev.Snapshot, ev.Dataset]]:
    described = []
    for name, snapshot in found.pipeline.snapshots.items():
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


def _about_the_model(found: Findings, datasets: list[tuple[ev.Snapshot, ev.Dataset]]) -> Iterator[ev.Statement]:
    about = [(found.spec.model, found.model)]
    yield ev.statement(ev.PROVENANCE, about, _provenance(found).as_dict())
    yield ev.statement(ev.TRAIN, about, _train(found).as_dict())
    run, commit = found.order.run_id, found.order.commit
    live = found.live.digest if found.live else None
    gates = tuple(_gate(gate) for gate in found.gates)
    yield ev.statement(ev.EVAL, about, ev.Eval(run, commit, gates, live, _champion(found)).as_dict())
    behaviour = tuple(_check(check) for check in found.checks if check.name in BEHAVIOUR)
    content = tuple(_check(check) for check in found.checks if check.name not in BEHAVIOUR)
    yield ev.statement(ev.TESTS, about, ev.Tests(run, commit, behaviour).as_dict())
    yield ev.statement(ev.SCAN, about, ev.Scan(run, commit, content).as_dict())
    if found.twin:
        twin = [(f"{found.spec.model}, judged twin", found.twin.digest)]
        yield ev.statement(ev.COMPARISON, twin, _comparison(found, found.twin).as_dict())
    yield ev.statement(ev.MLBOM, about, bill_of(found, datasets, gates).as_dict())


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
        snapshots=_snapshots(found),
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


def _gate(gate: GateResult) -> ev.GateRecord:
    return ev.GateRecord(
        text=gate.gate.text,
        passed=gate.passed,
        value=gate.value,
        limit=gate.limit,
        rows=gate.rows,
        interval=gate.interval,
        slice=gate.slice,
        reason=gate.reason,
    )


def _check(check: CheckResult) -> ev.CheckRecord:
    return ev.CheckRecord(
        name=check.name,
        passed=check.passed,
        checked=check.checked,
        summary=check.summary,
        values=tuple(asdict(value) for value in check.values),
        tools=check.tools,
        findings=tuple(str(finding) for finding in check.findings),
    )


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
