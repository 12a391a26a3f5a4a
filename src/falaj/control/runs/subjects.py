"""People in the data of runs: may a model be trained on it, whose data was read, and did erased data come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from falaj.build.pipeline.sources import Snapshot
from falaj.config.spec import ProjectSpec
from falaj.control import compliance as privacy
from falaj.control.runs.outcome import Outcome
from falaj.core.principal import Principal
from falaj.storage import Database, RunRow
from falaj.supply_chain.artifacts import ArtifactStore
from falaj.supply_chain.attestations import Keyring
from falaj.trust.audit import record as trail
from falaj.trust.policy import Action, ForbiddenError, Resource, require
from falaj.trust.secrets import Vault


def taken_of(spec: ProjectSpec, snapshots: Mapping[str, Snapshot]) -> Iterator[privacy.Taken]:
    """What a run read of its sources, with what the project file says of them."""
    for name, each in snapshots.items():
        label = privacy.label_of(spec.data[name])
        source = f"{spec.model}/{name}"
        yield privacy.Taken(str(each.digest), source, each.filename, label, everywhere(spec.data[name].source))


def everywhere(url: str) -> str:
    """The URL of a source that means the same in every project; empty for a file of the project."""
    return url if url.startswith(("s3://", "file:///", "package://")) else ""


def labels_given(
    session: Session, spec: ProjectSpec, digests: Mapping[str, str]
) -> dict[str, tuple[privacy.Label, ...]]:
    """By source: the labels that count besides the project file's, since somebody gave them to the same data.

    Args:
        session: Reads them.
        spec: The project file.
        digests: Of the snapshots by source; those that were not read yet are known by their source alone.
    """
    return {
        name: privacy.labels_given(session, f"{spec.model}/{name}", everywhere(data.source), digests.get(name, ""))
        for name, data in spec.data.items()
    }


def refusal(database: Database, keyring: Keyring, worker: Principal, run_id: str, spec: ProjectSpec, now: float) -> str:
    """Why a model may not be trained; empty when it may. A refusal is written to the audit log."""
    with database.transaction() as session:
        rules = privacy.rules_in_force(session, keyring, now, spec.model)
        if rules is None:
            return ""
        given = labels_given(session, spec, {})
        facts = privacy.facts_of_training(_subject(spec, given), rules)
        project = session.get_one(RunRow, run_id).project
        resource, context = Resource("project", project, project=project), {"now": now, "privacy": facts}
        try:
            require(session, worker, Action.RUN, resource, context)
        except ForbiddenError as error:
            details = {"action": "run", "policies": list(error.decision.policy_ids)}
            trail.write(session, "access.denied", worker.id, f"run/{run_id}", now, details, outcome="denied")
            return error.decision.reason
    return ""


def search(
    database: Database, vault: Vault, store: ArtifactStore, outcome: Outcome
) -> tuple[Outcome, list[privacy.Searched]]:
    """Find out whose data a run read; one that read data of people who were erased is rejected."""
    if not any(each.label.subject_key for each in outcome.taken):
        return outcome, []
    with database.transaction() as session:
        secret = privacy.secret_of(session, vault)
        wanted = privacy.unsearched(session, outcome.taken)
    searched = [privacy.search(store, each, secret) for each in wanted]
    with database.reading() as session:
        back = privacy.returned(session, searched)
    if not back or not outcome.ok:
        return outcome, searched
    told = ", ".join(f"{source} ({count})" for source, count in sorted(back.items()))
    reason = f"data of people who were erased is back in {told}; take it out of the source and run again"
    return replace(outcome, state="rejected", reason=reason), searched


def keep(session: Session, run: RunRow, outcome: Outcome, searched: Sequence[privacy.Searched], now: float) -> None:
    """Keep the labels of what a run read, and whose data is in it, in the transaction that ends the run."""
    privacy.keep_labels(session, run.project, outcome.taken, now)
    privacy.remember(session, searched, now)


def _subject(spec: ProjectSpec, given: Mapping[str, Sequence[privacy.Label]]) -> privacy.Subject:
    said = spec.privacy
    labels = privacy.labels_of([*spec.data.values(), *(label for each in given.values() for label in each)])
    return privacy.Subject(
        spec.model, spec.risk, labels, said.purpose, said.automated_decisions, said.human_review
    )  # fmt: skip
