"""Which law holds, decided from who, what and where from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config.spec import SourceSpec
from falaj.control.compliance import DataClassification, LegalEntity, Regime, entity_of, label_of, leaves, regimes_of

MAINLAND = LegalEntity()
BANK = LegalEntity(sector="banking")
DIFC = LegalEntity(regime="difc")
ADGM = LegalEntity(regime="adgm")
GERMAN = LegalEntity(jurisdiction="DE")


def label(
    classification: str = "personal", sector: str = "", origin: str = "AE", subject_key: str = ""
) -> DataClassification:
    return label_of(SourceSpec("x", "file://x", classification, origin, sector=sector, subject_key=subject_key))


@pytest.mark.parametrize(
    ("entity", "data", "expected"),
    [
        (MAINLAND, label("public"), ""),
        (MAINLAND, label("internal"), ""),
        (MAINLAND, label("public", subject_key="name"), "pdpl"),
        (MAINLAND, label("internal", subject_key="name"), "pdpl"),
        (MAINLAND, label(), "pdpl"),
        (MAINLAND, label(origin="FR"), "pdpl"),
        (GERMAN, label(origin="AE"), "pdpl"),
        (GERMAN, label(origin="DE"), ""),
        (MAINLAND, label("health"), "health"),
        (MAINLAND, label("health", origin="AE-DU"), "health"),
        (MAINLAND, label(sector="health"), "health"),
        (MAINLAND, label("internal", sector="health"), "health"),
        (MAINLAND, label("health", origin="US"), "pdpl"),
        (DIFC, label("health"), "difc health"),
        (MAINLAND, label("banking"), "cbuae"),
        (MAINLAND, label(sector="insurance"), "cbuae"),
        (BANK, label(), "cbuae"),
        (BANK, label("internal"), ""),
        (DIFC, label("banking"), "difc"),
        (DIFC, label(), "difc"),
        (ADGM, label(origin="SG"), "adgm"),
        (MAINLAND, label("government"), "government"),
        (LegalEntity(sector="government"), label(), "government"),
        (MAINLAND, label("government", origin="US"), ""),
    ],
)
def test_a_regime_is_resolved(entity: LegalEntity, data: DataClassification, expected: str) -> None:
    assert regimes_of(entity, data) == set(expected.split())


@pytest.mark.parametrize(
    ("regime", "jurisdiction", "expected"),
    [
        (Regime.PDPL, "AE", False), (Regime.PDPL, "AE-DIFC", False), (Regime.PDPL, "DE", True),
        (Regime.HEALTH, "AE-AZ", False), (Regime.HEALTH, "SA", True), (Regime.DIFC, "AE-DIFC", False),
        (Regime.DIFC, "AE", True), (Regime.ADGM, "AE-DIFC", True),
    ],
)  # fmt: skip
def test_data_leaves_where_its_law_ends(regime: Regime, jurisdiction: str, expected: bool) -> None:
    assert leaves(regime, jurisdiction) is expected


def test_an_entity_that_is_not_declared_is_one_of_the_mainland() -> None:
    assert entity_of({}) == LegalEntity() and not entity_of({}).declared
    assert entity_of({"jurisdiction": "AE", "regime": "difc", "sector": "banking", "name": "X"}).declared


@given(
    st.sampled_from(["mainland", "difc", "adgm"]),
    st.sampled_from(["general", "health", "banking", "insurance", "government"]),
    st.sampled_from(["personal", "health", "banking"]),
    st.sampled_from(["", "general", "health", "banking", "insurance", "government"]),
)
def test_personal_data_of_the_country_is_always_under_a_law(zone: str, business: str, kind: str, sector: str) -> None:
    assert regimes_of(LegalEntity(regime=zone, sector=business), label(kind, sector))
