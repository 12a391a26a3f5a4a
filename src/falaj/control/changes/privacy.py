"""What rules of privacy say of a release that is to go somewhere, by its evidence and the records that count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from falaj.control import compliance
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.placement import locations_for
from falaj.supply_chain.attestations import Dataset, Train
from falaj.trust.policy import PrivacyFacts


def subject_of(model: str, risk: str, datasets: Iterable[Dataset], trained: Train | None) -> compliance.AssessedModel:
    """A release as the rules look at it: what was signed about it."""
    return compliance.AssessedModel(
        model=model,
        risk=risk,
        labels=compliance.labels_of(datasets),
        purpose=trained.purpose if trained else "",
        automated_decisions=trained.automated_decisions if trained else None,
        human_review=trained.human_review if trained else "",
    )


def place_of(
    turn: ChangeContext, environment: str, datasets: Sequence[Dataset], quorum: int, approvers: frozenset[str]
) -> compliance.DeploymentEnvironment:
    """An environment as the rules look at it: with the locations that a release of this data gets there."""
    environment_spec = turn.environment(environment)
    locations = locations_for(turn.spec, environment_spec, datasets)
    jurisdictions = frozenset(turn.spec.locations[name].jurisdiction for name in locations)
    return compliance.DeploymentEnvironment(
        environment_spec.name, environment_spec.rank, jurisdictions, quorum, approvers
    )


def privacy_facts(
    turn: ChangeContext, subject: compliance.AssessedModel, place: compliance.DeploymentEnvironment
) -> PrivacyFacts | None:
    """What the rules say; None where no pack of them is on."""
    rules = compliance.rules_in_force(turn.session, turn.keyring, turn.now, subject.model)
    return None if rules is None else compliance.facts_of_change(subject, place, rules)
