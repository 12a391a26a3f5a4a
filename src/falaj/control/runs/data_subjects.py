"""People in the data of runs: may a model be trained on it, whose data was read, and did erased data come back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from falaj.build.pipeline.sources import SourceSnapshot
from falaj.config.platform_spec import ExecutorSpec
from falaj.config.spec import ProjectSpec
from falaj.control import compliance
from falaj.control.compliance.labels import country_of
from falaj.control.runs.contract import RunResult
from falaj.core.principal import Principal
from falaj.storage import Database, RunRow
from falaj.supply_chain.artifacts import ArtifactStore
from falaj.supply_chain.attestations import Keyring
from falaj.trust.audit import record
from falaj.trust.policy import Action, ForbiddenError, Resource, require
from falaj.trust.secrets import Vault


def taken_of(spec: ProjectSpec, snapshots: Mapping[str, SourceSnapshot]) -> Iterator[compliance.SourceReading]:
    """What a run read of its sources, with what the project file says of them."""
    for name, each in snapshots.items():
        label = compliance.label_of(spec.data[name])
        source = f"{spec.model}/{name}"
        yield compliance.SourceReading(
            str(each.digest), source, each.filename, label, everywhere(spec.data[name].source)
        )


def everywhere(url: str) -> str:
    """The URL of a source that means the same in every project; empty for a file of the project."""
    return url if url.startswith(("s3://", "file:///", "package://", "delta://", "iceberg://")) else ""


def labels_given(
    session: Session, spec: ProjectSpec, digests: Mapping[str, str]
) -> dict[str, tuple[compliance.DataClassification, ...]]:
    """By source: the labels that count besides the project file's, since somebody gave them to the same data.

    Args:
        session: Reads them.
        spec: The project file.
        digests: Of the snapshots by source; those that were not read yet are known by their source alone.
    """
    return {
        name: compliance.labels_given(session, f"{spec.model}/{name}", everywhere(data.source), digests.get(name, ""))
        for name, data in spec.data.items()
    }


def refusal(database: Database, keyring: Keyring, worker: Principal, run_id: str, spec: ProjectSpec, now: float) -> str:
    """Why a model may not be trained; empty when it may. A refusal is written to the audit log."""
    with database.transaction() as session:
        rules = compliance.rules_in_force(session, keyring, now, spec.model)
        if rules is None:
            return ""
        label_sets = labels_given(session, spec, {})
        facts = compliance.facts_of_training(_subject(spec, label_sets), rules)
        project = session.get_one(RunRow, run_id).project
        resource, context = Resource("project", project, project=project), {"now": now, "privacy": facts}
        try:
            require(session, worker, Action.RUN, resource, context)
        except ForbiddenError as error:
            details = {"action": "run", "policies": list(error.decision.policy_ids)}
            record.write(session, "access.denied", worker.id, f"run/{run_id}", now, details, outcome="denied")
            return error.decision.reason
    return ""


def why_not_there(
    database: Database,
    keyring: Keyring,
    spec: ProjectSpec,
    sources: Collection[str],
    executor: ExecutorSpec,
    now: float,
) -> str:
    """Why data of some sources may not go to an executor, with the label and the rule; empty when it may.

    Every label counts that the same data was ever given.
    """
    with database.reading() as session:
        label_sets = labels_given(session, spec, {})
        rules = compliance.rules_in_force(session, keyring, now, spec.model)
    labels = compliance.labels_of(
        [*(spec.data[name] for name in sources), *(label for name in sources for label in label_sets[name])]
    )
    allowed = {country_of(each) for each in (executor.jurisdiction, *executor.data_from)}
    for label in labels:
        if label.restricted and label.country not in allowed:
            return (
                f"`{label.name}` is {label.classification} data from {label.origin}, and the executor "
                f"'{executor.name}' is in {executor.jurisdiction} (rule data_from)"
            )
    if rules is None:
        return ""
    subject = replace(_subject(spec, {}), labels=labels)
    return "; ".join(compliance.transfer_refusals(subject, executor.jurisdiction, rules))


def search(
    database: Database, vault: Vault, store: ArtifactStore, outcome: RunResult
) -> tuple[RunResult, list[compliance.Searched]]:
    """Find out whose data a run read; one that read data of people who were erased is rejected."""
    if not any(each.label.subject_key for each in outcome.readings):
        return outcome, []
    with database.transaction() as session:
        secret = compliance.secret_of(session, vault)
        pending = compliance.unsearched(session, outcome.readings)
    searched = [compliance.search(store, each, secret) for each in pending]
    with database.reading() as session:
        back = compliance.returned(session, searched)
    if not back or not outcome.ok:
        return outcome, searched
    summary = ", ".join(f"{source} ({count})" for source, count in sorted(back.items()))
    reason = f"data of people who were erased is back in {summary}; take it out of the source and run again"
    return replace(outcome, state="rejected", reason=reason), searched


def keep(
    session: Session, run: RunRow, outcome: RunResult, searched: Sequence[compliance.Searched], now: float
) -> None:
    """Keep the labels of what a run read, and whose data is in it, in the transaction that ends the run."""
    compliance.keep_labels(session, run.project, outcome.readings, now)
    compliance.remember(session, searched, now)


def _subject(
    spec: ProjectSpec, label_sets: Mapping[str, Sequence[compliance.DataClassification]]
) -> compliance.AssessedModel:
    privacy_spec = spec.privacy
    labels = compliance.labels_of([*spec.data.values(), *(label for each in label_sets.values() for label in each)])
    return compliance.AssessedModel(
        spec.model, spec.risk, labels, privacy_spec.purpose, privacy_spec.automated_decisions, privacy_spec.human_review
    )  # fmt: skip
