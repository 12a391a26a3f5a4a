"""How long a law wants predictions to be kept, whatever the settings of a location say."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.api.routers.locations import desired
from falaj.config.platform_spec import PlatformSpec
from falaj.config.uae_pack import YEAR_S, UaeSettings
from falaj.control import compliance
from falaj.control.compliance import DataClassification, LegalEntity, longest_s
from falaj.trust import settings
from tests.api.test_privacy import turn_on
from tests.control.compliance.people import learned, snapshot

pytestmark = pytest.mark.integration

DAY = 86_400.0
HEALTH = DataClassification("scans", "health", "health", "AE", "patient")
CUSTOMERS = DataClassification("customers", "personal", "general", "AE")


@pytest.mark.parametrize(
    ("entity", "labels", "years"),
    [
        (LegalEntity(), [CUSTOMERS], 0), (LegalEntity(), [], 0), (LegalEntity(), [CUSTOMERS, HEALTH], 25),
        (LegalEntity(sector="banking"), [CUSTOMERS], 5), (LegalEntity(sector="banking"), [HEALTH, CUSTOMERS], 25),
        (LegalEntity(sector="banking"), [DataClassification("weather", "public", "general", "AE")], 0),
    ],
)  # fmt: skip
def test_the_strictest_law_of_any_data_holds(entity: LegalEntity, labels: list[DataClassification], years: int) -> None:
    assert longest_s(labels, entity, UaeSettings()) == years * YEAR_S


def kept_by(platform: Platform) -> object:
    return asyncio.run(desired("local", platform))["keep_predictions_s"]


@pytest.fixture
def keeping(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform whose location keeps predictions for 400 days."""
    current = settings.current

    def with_keep(session: Session) -> PlatformSpec:
        spec = current(session)
        spec_document = spec.to_json()
        spec_document["locations"]["local"]["keep_predictions_s"] = 400 * DAY
        return PlatformSpec.from_json(spec_document)

    monkeypatch.setattr(settings, "current", with_keep)
    return platform


def test_a_location_is_told_nothing_where_nothing_is_set(platform: Platform) -> None:
    assert kept_by(platform) is None


def test_a_location_is_told_what_is_set_and_never_less_than_a_law_asks_for(keeping: Platform) -> None:
    assert kept_by(keeping) == 400 * DAY
    turn_on(keeping, health_retention_years=30)
    assert kept_by(keeping) == 400 * DAY
    learned(keeping, snapshot(keeping, label=HEALTH), now=1.0)
    assert kept_by(keeping) == 30 * YEAR_S
    with keeping.database.reading() as session:
        assert compliance.predictions_locked_s(session) == 30 * YEAR_S
