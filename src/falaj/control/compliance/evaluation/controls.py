"""The rules of the pack `uae`, each with the control of it and a judgement (pure).

Source: the laws that each finding names. It is configuration for those who know them, not legal advice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from falaj.config.uae_pack import DAY_S
from falaj.control.compliance.evaluation.posture import ControlFinding, Holding, Posture, State
from falaj.control.compliance.evaluation.processing import activities
from falaj.control.compliance.gates import needs_assessment, needs_bias_evaluation
from falaj.control.compliance.records import ComplianceRecord, RecordKind, current
from falaj.control.compliance.regimes import LAWS, Regime, regimes_of_all

Control = Callable[[Posture], ControlFinding]
_PDPL = "PDPL, Federal Decree-Law 45/2021"


def judge(posture: Posture) -> tuple[ControlFinding, ...]:
    """Every rule of the pack with its judgement."""
    return tuple(control(posture) for control in CONTROLS)


def scope(posture: Posture) -> ControlFinding:
    """Which laws hold is found out from entity, sector and origin."""
    entity = posture.rules.entity
    gaps = () if entity.declared else ("platform.yaml declares no `entity`: one of the mainland is taken",)
    regime_list = sorted({each for holding in posture.holdings for each in _regimes(posture, holding)})
    evidence = (
        f"entity: {entity.name or 'unnamed'}, {entity.jurisdiction}, {entity.regime}, {entity.sector}",
        f"regimes of the data held: {', '.join(regime_list) or 'none'}",
        f"settings {posture.settings}",
    )
    control = "regime resolved from entity, sector and origin before any policy is asked"
    return _finding("pdpl-2", f"{_PDPL}, art. 2 (scope)", control, evidence, gaps)


def transfers(posture: Posture) -> ControlFinding:
    """Personal data leaves on a basis alone."""
    gaps = [*_unpermitted(posture, "uae-transfer")]
    countries = ", ".join(posture.rules.settings.adequate_countries) or "none"
    regimes = {Regime.PDPL, Regime.DIFC, Regime.ADGM}
    evidence = [f"countries set as adequate: {countries}", *_records(posture, RecordKind.TRANSFER, regimes)]
    control = "a change to a location abroad needs a transfer basis for regime, destination and purpose"
    return _finding("pdpl-22", f"{_PDPL}, arts. 22-23 (transfers)", control, evidence, gaps)


def processing(posture: Posture) -> ControlFinding:
    """Records of processing are generated."""
    activity_list = activities(posture)
    gaps = [f"{each.release}: no purpose is declared in falaj.yaml" for each in activity_list if not each.purpose]
    evidence = [f"{each.release}: model {each.digest}, commit {each.commit}" for each in activity_list]
    control = "records of processing generated from lineage: falaj privacy ropa"
    return _finding("pdpl-7", f"{_PDPL}, arts. 7-8 (records)", control, evidence, gaps, applies=bool(activity_list))


def officer(posture: Posture) -> ControlFinding:
    """A data protection officer approves what holds personal data."""
    named = posture.rules.settings.dpo
    personal = any(holding.subject.personal for holding in posture.holdings)
    gaps = () if named else ("`dpo` is not set in policy_packs.uae",)
    evidence = (f"data protection officer: {named}",) if named else ()
    control = "the officer is one of those who approve a change that holds personal data"
    return _finding("pdpl-10", f"{_PDPL}, art. 10 (DPO)", control, evidence, gaps, applies=personal)


def breaches(posture: Posture) -> ControlFinding:
    """Breaches are notified in time."""
    gaps = [
        f"incident {each.id} was to be notified by {_day(each.notify_by)}" for each in posture.incidents if each.overdue
    ]
    evidence = [f"incident {each.id}: {each.state}, {each.title}" for each in posture.incidents]
    days = posture.rules.settings.breach_notify_within / DAY_S
    control = f"incidents with a clock of {days:g} days from when they are learned of"
    return _finding("pdpl-9", f"{_PDPL}, art. 9 (breach)", control, evidence, gaps)


def rights(posture: Posture) -> ControlFinding:
    """People find out where their data is, get it, and have it erased."""
    there = [each for each in posture.snapshots if each.personal and each.erased_at is None]
    keyless = sorted({each.source for each in there if not each.subject_key})
    blind = [each for each in there if each.subject_key and not each.indexed]
    gaps = [f"{source}: no `subject_key` in falaj.yaml, so nobody can be found in it" for source in keyless]
    gaps += [f"{each.source} {each.digest}: not in the index ({each.note or 'not searched yet'})" for each in blind]
    gaps += [f"request {each.id} was due {_day(each.due_at)}" for each in posture.requests if each.overdue]
    gaps += [f"{holding.name}: {holding.flagged}; train it again" for holding in posture.holdings if holding.flagged]
    indexed = [each for each in there if each.indexed]
    evidence = [f"{each.source} {each.digest}: {each.subjects} people in the index" for each in indexed]
    evidence += [f"request {each.id}: {each.kind}, {each.state}" for each in posture.requests]
    control = "index of subjects, export, erasure of what holds a person, releases flagged to be trained again"
    return _finding(
        "pdpl-13", f"{_PDPL}, arts. 13-18 (rights)", control, evidence, gaps, applies=bool(there or evidence)
    )


def automated_decisions(posture: Posture) -> ControlFinding:
    """A person can ask a human to look again."""
    personal = [holding for holding in posture.holdings if holding.subject.personal]
    gaps = [*_unpermitted(posture, "uae-human-review")]
    gaps += [
        f"{holding.name}: falaj.yaml does not say whether it decides about people"
        for holding in personal
        if holding.subject.automated_decisions is None
    ]
    reviewed = [holding for holding in personal if holding.subject.human_review]
    evidence = [f"{holding.name}: reviewed by humans at {holding.subject.human_review}" for holding in reviewed]
    control = "a model of high impact does not serve without a place for human review"
    return _finding(
        "pdpl-18", f"{_PDPL}, art. 18 (automated decisions)", control, evidence, gaps, applies=bool(personal)
    )


def security(posture: Posture) -> ControlFinding:
    """Data is encrypted, and what happens is logged under pseudonyms."""
    gaps = () if posture.encrypted else ("the artifact store is not encrypted at rest",)
    root = f"audit log of {posture.log_size} entries, root {posture.log_root}"
    evidence = (root, *(("artifacts encrypted with AES-256-GCM",) if posture.encrypted else ()))
    control = "encryption at rest, hashed subjects, pseudonyms in an append-only log"
    return _finding("pdpl-20", f"{_PDPL}, art. 20 (security)", control, evidence, gaps)


def assessments(posture: Posture) -> ControlFinding:
    """An impact assessment precedes training and promotion."""
    affected_holdings = [holding for holding in posture.holdings if needs_assessment(holding.subject, posture.rules)]
    evidence, gaps = _of_models(posture, affected_holdings, RecordKind.ASSESSMENT)
    control = "no training and no promotion of such a model without an impact assessment that counts"
    return _finding("pdpl-21", f"{_PDPL}, art. 21 (DPIA)", control, evidence, gaps, applies=bool(affected_holdings))


def health(posture: Posture) -> ControlFinding:
    """Health data stays, and is kept."""
    regime_holdings = _under(posture, Regime.HEALTH)
    years = posture.rules.settings.health_retention_years
    evidence = [*_records(posture, RecordKind.TRANSFER, {Regime.HEALTH}), *_locks(posture, regime_holdings)]
    control = f"pinned to the UAE but for a named exception with the authority's approval; kept {years} years"
    gaps = [*_unpermitted(posture, "uae-health")]
    return _finding(
        "health-13", LAWS[Regime.HEALTH] + ", art. 13", control, evidence, gaps, applies=bool(regime_holdings)
    )


def banking(posture: Posture) -> ControlFinding:
    """Data of banks and insurers stays, and is kept."""
    regime_holdings = _under(posture, Regime.CBUAE)
    years = posture.rules.settings.banking_retention_years
    evidence = [*_records(posture, RecordKind.TRANSFER, {Regime.CBUAE}), *_locks(posture, regime_holdings)]
    control = f"leaves only with approval and consent; kept {years} years; the master record stays in the UAE"
    gaps = [*_unpermitted(posture, "uae-banking")]
    ask = ("a separate backup of the master record in the UAE is outside of what the platform sees",)
    return _finding(
        "cbuae-6", f"{LAWS[Regime.CBUAE]}, 6.1-6.3 and 6.1.6", control, evidence, gaps, ask, bool(regime_holdings)
    )


def ai_guidance(posture: Posture) -> ControlFinding:
    """Models are listed and rated, and their bias is evaluated every year."""
    affected_holdings = [
        holding for holding in posture.holdings if needs_bias_evaluation(holding.subject, posture.rules)
    ]
    evidence, gaps = _of_models(posture, affected_holdings, RecordKind.BIAS)
    rated = [
        f"{holding.name}: risk {holding.subject.risk}, owner {holding.owner or 'not told'}"
        for holding in posture.holdings
    ]
    control = (
        "inventory with risk tiers, and a bias evaluation that expires, before a change above the lowest environment"
    )
    return _finding(
        "cbuae-ai", "CBUAE guidance on AI, 2026", control, [*rated, *evidence], gaps, applies=bool(affected_holdings)
    )


def free_zones(posture: Posture) -> ControlFinding:
    """A free zone's own law holds there, with a register of AI systems."""
    zone = posture.rules.entity.regime
    evidence = [f"{holding.name}: {holding.subject.purpose or 'no purpose declared'}" for holding in posture.holdings]
    control = "regimes of their own; this report's inventory is the register of AI systems"
    law = f"{LAWS[Regime.DIFC]}; {LAWS[Regime.ADGM]}"
    ask = ("notices to people and the certification of systems are outside of what the platform sees",)
    return _finding("zones", law, control, evidence, (), ask, zone in ("difc", "adgm"))


def information_assurance(posture: Posture) -> ControlFinding:
    """What a control framework asks for, and where its evidence is."""
    evidence = (
        "access control: falaj access policy show, docs/reference/policies.md",
        "change management: falaj change list, falaj release export",
        f"logging: falaj audit verify against root {posture.log_root}",
        "cryptography: falaj platform key list, docs/explanation/encryption.md",
    )
    ask = ("controls of the organisation, such as awareness and physical security, have their evidence elsewhere",)
    control = "control mapping to what the platform exports"
    return _finding("ia", "UAE IA Regulation; Dubai ISR", control, evidence, (), ask)


CONTROLS: tuple[Control, ...] = (
    scope, processing, breaches, officer, rights, automated_decisions, security, assessments, transfers, health,
    banking, ai_guidance, free_zones, information_assurance,
)  # fmt: skip


def _finding(
    name: str,
    law: str,
    control: str,
    evidence: Iterable[str],
    gaps: Iterable[str],
    ask: Iterable[str] = (),
    applies: bool = True,
) -> ControlFinding:
    """A judgement; what is to be asked is told as a gap that is no breach of the rule."""
    gap_notes, questions = tuple(gaps), tuple(ask)
    if not applies and not gap_notes:
        return ControlFinding(name, law, control, State.NONE)
    state = State.GAP if gap_notes else State.ASK if questions else State.MET
    return ControlFinding(name, law, control, state, tuple(evidence), gap_notes + questions)


def _regimes(posture: Posture, holding: Holding) -> frozenset[Regime]:
    return regimes_of_all(posture.rules.entity, holding.subject.labels)


def _under(posture: Posture, regime: Regime) -> list[Holding]:
    return [holding for holding in posture.holdings if regime in _regimes(posture, holding)]


def _unpermitted(posture: Posture, rule: str) -> Iterator[str]:
    for holding in posture.holdings:
        if holding.serves and (note := holding.facts.notes.get(rule)):
            yield f"{holding.name} serves in {', '.join(holding.serves)}: {note}"


def _records(posture: Posture, kind: RecordKind, regimes: Iterable[Regime]) -> Iterator[str]:
    named = {str(regime) for regime in regimes}
    return (_shown(each, posture) for each in posture.rules.records if each.kind is kind and each.regime in named)


def _of_models(posture: Posture, affected_holdings: Iterable[Holding], kind: RecordKind) -> tuple[list[str], list[str]]:
    """Evidence and gaps of models that need a record of a kind."""
    evidence: list[str] = []
    gaps: list[str] = []
    rules = posture.rules
    for model in sorted({holding.subject.model for holding in affected_holdings}):
        record = current(rules.records, kind, model, rules.settings, rules.now)
        if record:
            evidence.append(f"{model}: {_shown(record, posture)}")
        else:
            gaps.append(f"{model}: no {kind} counts now; falaj privacy record {kind} --model {model}")
    return evidence, gaps


def _shown(record: ComplianceRecord, posture: Posture) -> str:
    ends = record.ends_at(posture.rules.settings)
    state = f"until {_day(ends)}" if posture.rules.now < ends else f"expired {_day(ends)}"
    where = f" to {record.destination} for {record.purpose}" if record.destination else ""
    return f"record {record.id}{where}, document {record.document}, {state}"


def _locks(posture: Posture, regime_holdings: Iterable[Holding]) -> Iterator[str]:
    """The snapshots of releases that must be kept."""
    digests = {digest for each in regime_holdings for digest in each.snapshots.values()}
    for each in posture.snapshots:
        if each.locked_until is not None and each.digest in digests:
            yield f"{each.source} {each.digest}: kept until {_day(each.locked_until)}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
