"""What rules of the UAE ask for of a release in an environment, and of a training (pure).

Each fact that is not so comes with a note: what is missing, and how to put it right. Cedar decides by the facts, and
shows the note beside its own explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from falaj.config.uae_pack import UaeSettings
from falaj.control.compliance.labels import DataClassification, country_of
from falaj.control.compliance.records import ComplianceRecord, RecordKind, Transfer, basis_for, current, why_not
from falaj.control.compliance.regimes import LegalEntity, Regime, leaves, regimes_of, regimes_of_all
from falaj.trust.policy import PrivacyFacts

_GENERAL = frozenset({Regime.PDPL, Regime.DIFC, Regime.ADGM})


@dataclass(frozen=True)
class AssessedModel:
    """A model, as far as these rules look at it.

    Args:
        model: Its name.
        risk: Its own tier: `low`, `medium` or `high`.
        labels: Of all data that reached it.
        purpose: Why the data is processed; empty when that is not told.
        automated_decisions: Whether decisions about people follow from predictions alone; None when it is not told.
        human_review: Where people ask a human to look again; empty when nowhere.
    """

    model: str
    risk: str
    labels: tuple[DataClassification, ...]
    purpose: str = ""
    automated_decisions: bool | None = None
    human_review: str = ""

    @property
    def personal(self) -> bool:
        """Whether people are in its data."""
        return any(label.personal for label in self.labels)

    @property
    def high_impact(self) -> bool:
        """Whether it decides about people; one of high risk that does not say is taken to."""
        undeclared = self.automated_decisions is None and self.risk == "high" and self.personal
        return bool(self.automated_decisions) or undeclared


@dataclass(frozen=True)
class Rules:
    """By what is judged.

    Args:
        entity: Who processes the data.
        settings: Of the pack.
        records: Those that the installation believes and nobody withdrew.
        now: Unix seconds.
    """

    entity: LegalEntity
    settings: UaeSettings
    records: tuple[ComplianceRecord, ...]
    now: float


@dataclass(frozen=True)
class DeploymentEnvironment:
    """Where a release is to go.

    Args:
        environment: Its name.
        rank: Its place in the order.
        jurisdictions: Of its locations.
        quorum: How many approvals the change needs.
        approvers: Principal ids of those who gave one.
    """

    environment: str
    rank: int
    jurisdictions: frozenset[str]
    quorum: int = 0
    approvers: frozenset[str] = frozenset()


def facts_of_change(subject: AssessedModel, place: DeploymentEnvironment, rules: Rules) -> PrivacyFacts:
    """The facts of a release that is to go somewhere."""
    notes = {
        **_transfer_notes(subject, place, rules),
        **dict(_review_note(subject)),
        **dict(_assessment_note(subject, rules)),
        **dict(_bias_note(subject, place, rules)),
        **dict(_officer_note(subject, place, rules)),
    }
    return replace(_facts(notes), regimes=_names(subject, rules))


def facts_of_training(subject: AssessedModel, rules: Rules) -> PrivacyFacts:
    """The facts of a model that is to be trained; nothing has left and nobody is decided about yet."""
    notes = {f"{name}-training": note for name, note in _assessment_note(subject, rules)}
    return PrivacyFacts(regimes=_names(subject, rules), dpia_current=not notes, notes=notes)


def transfers_of(subject: AssessedModel, jurisdictions: Iterable[str], rules: Rules) -> tuple[Transfer, ...]:
    """What of a model's data leaves where its law holds, for a country that is not adequate."""
    transfer_set = {
        Transfer(regime, jurisdiction, subject.purpose, subject.model)
        for label in subject.labels
        for regime in regimes_of(rules.entity, label)
        for jurisdiction in jurisdictions
        if leaves(regime, jurisdiction) and not _adequate(regime, jurisdiction, rules.settings)
    }
    return tuple(sorted(transfer_set, key=lambda each: (each.regime, each.destination)))


def transfer_refusals(subject: AssessedModel, jurisdiction: str, rules: Rules) -> tuple[str, ...]:
    """Which rules keep a model's data from a jurisdiction, and why; none where it may go there."""
    place = DeploymentEnvironment("", 0, frozenset({jurisdiction}))
    return tuple(f"{rule}: {note}" for rule, note in _transfer_notes(subject, place, rules).items())


def needs_assessment(subject: AssessedModel, rules: Rules) -> bool:
    """Whether an impact assessment is asked for: people are in the data, or the model is of high risk."""
    under_law = bool(regimes_of_all(rules.entity, subject.labels))
    return subject.risk == "high" or (under_law and subject.personal)


def needs_bias_evaluation(subject: AssessedModel, rules: Rules) -> bool:
    """Whether a bias evaluation is asked for: the model decides about people, or about customers of a bank."""
    return subject.high_impact or Regime.CBUAE in regimes_of_all(rules.entity, subject.labels)


def _facts(notes: Mapping[str, str]) -> PrivacyFacts:
    return PrivacyFacts(
        transfer_allowed="uae-transfer" not in notes,
        health_allowed="uae-health" not in notes,
        banking_allowed="uae-banking" not in notes,
        government_allowed="uae-government" not in notes,
        dpia_current="uae-impact-assessment" not in notes,
        human_review="uae-human-review" not in notes,
        bias_current="uae-bias-evaluation" not in notes,
        officer_approved="uae-officer" not in notes,
        notes=notes,
    )


def _names(subject: AssessedModel, rules: Rules) -> frozenset[str]:
    return frozenset(regime.value for regime in regimes_of_all(rules.entity, subject.labels))


def _adequate(regime: Regime, jurisdiction: str, settings: UaeSettings) -> bool:
    """Whether a destination needs no basis; health, banking and government data know no adequate countries."""
    named = {jurisdiction, country_of(jurisdiction)} & set(settings.adequate_countries)
    return regime in _GENERAL and bool(named)


def _transfer_notes(subject: AssessedModel, place: DeploymentEnvironment, rules: Rules) -> dict[str, str]:
    """A note for each rule that a transfer breaks; of several transfers it tells all."""
    rule_of = {Regime.HEALTH: "uae-health", Regime.CBUAE: "uae-banking", Regime.GOVERNMENT: "uae-government"}
    notes_by_rule: dict[str, list[str]] = {}
    for transfer in transfers_of(subject, place.jurisdictions, rules):
        if basis_for(transfer, rules.records, rules.settings, rules.now) is None:
            notes_by_rule.setdefault(rule_of.get(transfer.regime, "uae-transfer"), []).append(
                _unpermitted(transfer, rules)
            )
    return {name: "; ".join(notes) for name, notes in notes_by_rule.items()}


def _unpermitted(transfer: Transfer, rules: Rules) -> str:
    transfer_text = f"{transfer.regime} data to {transfer.destination} for {transfer.purpose or 'no declared purpose'}"
    if transfer.regime is Regime.GOVERNMENT:
        return f"{transfer_text}; choose locations in the UAE"
    if not transfer.purpose:
        return f"{transfer_text}; say `privacy: {{purpose: ...}}` in falaj.yaml and train again"
    near = [each for each in rules.records if each.kind is RecordKind.TRANSFER and each.regime == transfer.regime]
    reasons = [f"{each.id}: {why_not(each, transfer, rules.settings, rules.now)}" for each in near]
    others = f", of {len(near)} recorded none fits ({', '.join(sorted(reasons)[:3])})" if near else ""
    return f"{transfer_text} has no basis{others}; falaj privacy record add transfer records one"


def _review_note(subject: AssessedModel) -> Iterator[tuple[str, str]]:
    if subject.high_impact and not subject.human_review:
        fix = "say `privacy: {human_review: ADDRESS}` in falaj.yaml and train again"
        if subject.automated_decisions is None:
            fix += ", or `automated_decisions: false` if that is so"
        yield "uae-human-review", f"{subject.model} names none; {fix}"


def _assessment_note(subject: AssessedModel, rules: Rules) -> Iterator[tuple[str, str]]:
    if needs_assessment(subject, rules):
        yield from _lapsed(subject, RecordKind.ASSESSMENT, "uae-impact-assessment", rules)


def _bias_note(subject: AssessedModel, place: DeploymentEnvironment, rules: Rules) -> Iterator[tuple[str, str]]:
    """The lowest environment is where a model is evaluated first."""
    if place.rank > 0 and needs_bias_evaluation(subject, rules):
        yield from _lapsed(subject, RecordKind.BIAS, "uae-bias-evaluation", rules)


def _lapsed(subject: AssessedModel, kind: RecordKind, rule: str, rules: Rules) -> Iterator[tuple[str, str]]:
    if current(rules.records, kind, subject.model, rules.settings, rules.now) is not None:
        return
    old = [each for each in rules.records if each.kind is kind and each.model == subject.model]
    state = "the last one has expired" if old else "there is none"
    yield rule, f"{state} for {subject.model}; falaj privacy record {kind} --model {subject.model} records one"


def _officer_note(subject: AssessedModel, place: DeploymentEnvironment, rules: Rules) -> Iterator[tuple[str, str]]:
    """Where nobody has to approve, the officer has not either."""
    officer = rules.settings.dpo
    if officer and place.quorum and subject.personal and f"user:{officer}" not in place.approvers:
        yield "uae-officer", f"{officer} has not approved; falaj --account {officer} approve does"
