"""Records of processing activities, generated from what releases were made of and where they serve (pure).

Source: Federal Decree-Law 45/2021, articles 7 and 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from falaj.control.compliance.evaluation.posture import Holding, Posture
from falaj.control.compliance.gates import transfers_of
from falaj.control.compliance.records import basis_for
from falaj.control.compliance.regimes import regimes_of_all


@dataclass(frozen=True)
class Activity:
    """One processing of data: a model with the data that reached it.

    Args:
        release: `model@number`.
        project: Whose it is.
        owner: Who answers for it.
        purpose: Why; empty when falaj.yaml does not say.
        categories: What data, as `source: classification of origin`.
        regimes: The laws that it is under.
        serves: Where it is processed, as `environment in jurisdiction`.
        transfers: What leaves, with the record that permits it.
        automated_decisions: `yes`, `no` or `not declared`.
        human_review: Where people ask a human to look again.
        snapshots: Digests of the data by source.
        digest: Of the model.
        commit: What it was made of.
    """

    release: str
    project: str
    owner: str
    purpose: str
    categories: tuple[str, ...]
    regimes: tuple[str, ...]
    serves: tuple[str, ...]
    transfers: tuple[str, ...]
    automated_decisions: str
    human_review: str
    snapshots: tuple[str, ...]
    digest: str
    commit: str


def activities(posture: Posture) -> tuple[Activity, ...]:
    """One for each release that processes data under a law; data that is under none needs no record."""
    all_activities = (_activity(each, posture) for each in posture.holdings)
    return tuple(each for each in all_activities if each.regimes)


def _activity(holding: Holding, posture: Posture) -> Activity:
    subject = holding.subject
    decided = {True: "yes", False: "no", None: "not declared"}[subject.automated_decisions]
    return Activity(
        release=holding.name,
        project=holding.project,
        owner=holding.owner,
        purpose=subject.purpose,
        categories=tuple(f"{each.name}: {each.classification} data of {each.origin}" for each in subject.labels),
        regimes=tuple(sorted(regimes_of_all(posture.rules.entity, subject.labels))),
        serves=tuple(f"{name} in {', '.join(places)}" for name, places in holding.serves.items()),
        transfers=tuple(_transfers(holding, posture)),
        automated_decisions=decided,
        human_review=subject.human_review,
        snapshots=tuple(f"{name} {digest}" for name, digest in sorted(holding.snapshots.items())),
        digest=holding.digest,
        commit=holding.commit,
    )


def _transfers(holding: Holding, posture: Posture) -> Iterator[str]:
    places = {place for locations in holding.serves.values() for place in locations}
    rules = posture.rules
    for each in transfers_of(holding.subject, places, rules):
        basis = basis_for(each, rules.records, rules.settings, rules.now)
        permitted = f"record {basis.id}, document {basis.document}" if basis else "no basis"
        yield f"{each.regime} to {each.destination}: {permitted}"
