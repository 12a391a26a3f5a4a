"""Each gate closes for its own reason, and says how it is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from falaj.config.uae_pack import DAY_S
from falaj.control.compliance import (
    AssessedModel,
    ComplianceRecord,
    DataClassification,
    DeploymentEnvironment,
    LegalEntity,
    RecordKind,
    facts_of_change,
    facts_of_training,
    transfers_of,
)
from tests.control.compliance.cases import ABROAD, ASSESSED, EVALUATED, HOME, MODEL, NOW, basis, record, rules

HEALTH = replace(MODEL, labels=(DataClassification("visits", "personal", "health", "AE"),))
BANKING = replace(MODEL, labels=(DataClassification("loans", "banking", "banking", "AE"),))
GOVERNMENT = replace(MODEL, labels=(DataClassification("permits", "government", "government", "AE"),))
HEALTH_BASIS = basis(regime="health", mechanism="exception", authority="DoH 17/2026", note="MD 51/2021 art. 2(3)")
BANK_BASIS = basis(regime="cbuae", mechanism="approval", authority="CBUAE 9/2026", consent=True)


def closed(
    subject: AssessedModel, place: DeploymentEnvironment, *records: ComplianceRecord, **more: object
) -> dict[str, str]:
    return dict(facts_of_change(subject, place, rules(*records, **more)).notes)  # type: ignore[arg-type]


def test_a_model_that_is_as_it_should_be_passes_every_gate() -> None:
    facts = facts_of_change(MODEL, ABROAD, rules(ASSESSED, basis()))
    assert not facts.notes and facts.transfer_allowed and facts.dpia_current
    assert facts.regimes == {"pdpl"}


def test_data_without_people_in_it_asks_for_nothing() -> None:
    public = replace(
        MODEL, labels=(DataClassification("weather", "public", "general", "AE"),), automated_decisions=None
    )
    assert closed(public, ABROAD) == {}
    assert transfers_of(public, ["DE"], rules()) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"destination": "FR"}, "it is for FR"),
        ({"purpose": "credit"}, "for the purpose credit"),
        ({"regime": "difc"}, "has no basis"),
        ({"model": "fraud"}, "for the model fraud"),
        ({"mechanism": "exception"}, "it is for pdpl"),
        ({"expires_at": NOW}, "it has expired"),
        ({"made_at": NOW - 366 * DAY_S, "expires_at": NOW + 366 * DAY_S}, "it has expired"),
    ],
)
def test_a_basis_for_something_else_permits_nothing(change: dict[str, object], reason: str) -> None:
    closed_gates = closed(MODEL, ABROAD, ASSESSED, basis(**change))
    assert set(closed_gates) == {"uae-transfer"}
    assert reason in closed_gates["uae-transfer"]
    assert "falaj privacy record add transfer" in closed_gates["uae-transfer"]


def test_a_basis_for_every_model_permits_one_of_them() -> None:
    assert closed(MODEL, ABROAD, ASSESSED, basis(model="")) == {}


def test_without_a_declared_purpose_no_basis_fits() -> None:
    aimless = replace(MODEL, purpose="")
    assert "purpose" in closed(aimless, ABROAD, ASSESSED, basis(purpose=""))["uae-transfer"]


def test_no_country_is_adequate_until_one_is_set() -> None:
    assert "uae-transfer" in closed(MODEL, ABROAD, ASSESSED)
    assert closed(MODEL, ABROAD, ASSESSED, adequate_countries=("DE",)) == {}


@pytest.mark.parametrize(
    ("subject", "rule"), [(HEALTH, "uae-health"), (BANKING, "uae-banking"), (GOVERNMENT, "uae-government")]
)
def test_an_adequate_country_is_not_enough_for_data_of_its_own_law(subject: AssessedModel, rule: str) -> None:
    assert rule in closed(subject, ABROAD, ASSESSED, EVALUATED, basis(), adequate_countries=("DE",))
    assert rule not in closed(subject, HOME, ASSESSED, EVALUATED)


@pytest.mark.parametrize("lacking", [{"authority": ""}, {"note": ""}, {"mechanism": "contract"}])
def test_health_data_leaves_by_a_named_exception_that_the_authority_approved(lacking: dict[str, str]) -> None:
    assert closed(HEALTH, ABROAD, ASSESSED, HEALTH_BASIS) == {}
    changed = replace(HEALTH_BASIS, **lacking)  # type: ignore[arg-type]
    assert "uae-health" in closed(HEALTH, ABROAD, ASSESSED, changed)


@pytest.mark.parametrize("lacking", [{"authority": ""}, {"consent": False}, {"mechanism": "consent"}])
def test_banking_data_leaves_with_approval_and_consent(lacking: dict[str, object]) -> None:
    assert closed(BANKING, ABROAD, ASSESSED, EVALUATED, BANK_BASIS) == {}
    changed = replace(BANK_BASIS, **lacking)  # type: ignore[arg-type]
    assert "uae-banking" in closed(BANKING, ABROAD, ASSESSED, EVALUATED, changed)


def test_a_free_zone_has_a_law_of_its_own() -> None:
    entity = LegalEntity(regime="difc", declared=True)
    assert "uae-transfer" in closed(MODEL, HOME, ASSESSED, entity=entity)
    assert closed(MODEL, replace(HOME, jurisdictions=frozenset({"AE-DIFC"})), ASSESSED, entity=entity) == {}
    assert closed(MODEL, HOME, ASSESSED, entity=entity, adequate_countries=("AE",)) == {}


@pytest.mark.parametrize("lapsed", [{"model": "fraud"}, {"expires_at": NOW}, {"made_at": NOW - 400 * DAY_S}])
def test_an_impact_assessment_is_of_this_model_and_of_this_year(lapsed: dict[str, object]) -> None:
    other = record(RecordKind.ASSESSMENT, **lapsed)
    assert set(closed(MODEL, HOME, other)) == {"uae-impact-assessment"}
    trained = facts_of_training(MODEL, rules(other))
    assert not trained.dpia_current and set(trained.notes) == {"uae-impact-assessment-training"}
    assert facts_of_training(MODEL, rules(ASSESSED)).dpia_current


def test_a_bias_evaluation_is_no_impact_assessment() -> None:
    assert "uae-impact-assessment" in closed(MODEL, HOME, EVALUATED)


def test_a_model_of_high_risk_is_assessed_whatever_its_data() -> None:
    risky = AssessedModel("churn", "high", (DataClassification("weather", "public", "general", "AE"),), "", False)
    assert set(closed(risky, HOME)) == {"uae-impact-assessment"}


def test_a_model_that_decides_about_people_names_who_looks_again() -> None:
    deciding = replace(MODEL, automated_decisions=True)
    assert set(closed(deciding, HOME, ASSESSED, EVALUATED)) == {"uae-human-review"}
    assert closed(replace(deciding, human_review="review@example.ae"), HOME, ASSESSED, EVALUATED) == {}


def test_a_model_of_high_risk_that_says_nothing_is_taken_to_decide() -> None:
    silent = replace(MODEL, automated_decisions=None, risk="high")
    assert "uae-human-review" in closed(silent, HOME, ASSESSED, EVALUATED)
    assert "uae-human-review" not in closed(replace(silent, risk="medium"), HOME, ASSESSED)


def test_a_bias_evaluation_expires_with_the_year() -> None:
    deciding = replace(MODEL, automated_decisions=True, human_review="x")
    old = record(RecordKind.BIAS, made_at=NOW - 364 * DAY_S)
    assert closed(deciding, HOME, ASSESSED, old) == {}
    assert set(closed(deciding, HOME, ASSESSED, old, now=NOW + 2 * DAY_S)) == {"uae-bias-evaluation"}
    assert closed(deciding, replace(HOME, rank=0), ASSESSED) == {}


def test_the_officer_approves_where_approvals_are_asked_for() -> None:
    target_environment = replace(HOME, quorum=2, approvers=frozenset({"user:omar"}))
    assert set(closed(MODEL, target_environment, ASSESSED, dpo="noor")) == {"uae-officer"}
    assert closed(MODEL, replace(target_environment, approvers=frozenset({"user:noor"})), ASSESSED, dpo="noor") == {}
    assert closed(MODEL, HOME, ASSESSED, dpo="noor") == {}
