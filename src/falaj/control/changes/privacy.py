"""What rules of privacy say of a release that is to go somewhere, by its evidence and the records that count."""

from __future__ import annotations

from collections.abc import Iterable

from falaj.control import compliance as privacy
from falaj.control.changes.turn import Turn
from falaj.storage import ReleaseRow
from falaj.supply_chain.attestations import Dataset, Train
from falaj.trust.policy import PrivacyFacts


def subject_of(release: ReleaseRow, datasets: Iterable[Dataset], trained: Train | None) -> privacy.Subject:
    """A release as the rules look at it: what was signed about it, and its own risk tier."""
    return privacy.Subject(
        model=release.model,
        risk=release.data.get("risk", "high"),
        labels=privacy.labels_of(datasets),
        purpose=trained.purpose if trained else "",
        automated_decisions=trained.automated_decisions if trained else None,
        human_review=trained.human_review if trained else "",
    )


def place_of(turn: Turn, environment: str, quorum: int = 0, approvers: frozenset[str] = frozenset()) -> privacy.Place:
    """An environment as the rules look at it."""
    wanted = turn.environment(environment)
    jurisdictions = frozenset(turn.spec.locations[name].jurisdiction for name in wanted.locations)
    return privacy.Place(wanted.name, wanted.rank, jurisdictions, quorum, approvers)


def privacy_facts(turn: Turn, subject: privacy.Subject, place: privacy.Place) -> PrivacyFacts | None:
    """What the rules say; None where no pack of them is on."""
    rules = privacy.rules_in_force(turn.session, turn.keyring, turn.now, subject.model)
    return None if rules is None else privacy.facts_of_change(subject, place, rules)
