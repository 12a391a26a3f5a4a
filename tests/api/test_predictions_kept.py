"""How long a law wants predictions to be kept, whatever the settings of a location say."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.api.routers.locations import desired
from falaj.config.platform_spec import PlatformSpec
from falaj.config.uae import YEAR_S, UaeSettings
from falaj.control import compliance as privacy
from falaj.control.compliance import Entity, Label, longest_s
from falaj.trust import settings
from tests.api.test_privacy import turn_on
from tests.control.compliance.people import learned, snapshot

DAY = 86_400.0
HEALTH = Label("scans", "health", "health", "AE", "patient")
CUSTOMERS = Label("customers", "personal", "general", "AE")


@pytest.mark.parametrize(
    ("entity", "labels", "years"),
    [
        (Entity(), [CUSTOMERS], 0), (Entity(), [], 0), (Entity(), [CUSTOMERS, HEALTH], 25),
        (Entity(sector="banking"), [CUSTOMERS], 5), (Entity(sector="banking"), [HEALTH, CUSTOMERS], 25),
        (Entity(sector="banking"), [Label("weather", "public", "general", "AE")], 0),
    ],
)  # fmt: skip
def test_the_strictest_law_of_any_data_holds(entity: Entity, labels: list[Label], years: int) -> None:
    assert longest_s(labels, entity, UaeSettings()) == years * YEAR_S


def kept_by(platform: Platform) -> object:
    return asyncio.run(desired("local", platform))["keep_predictions_s"]


@pytest.fixture
def keeping(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A platform whose location keeps predictions for 400 days."""
    current = settings.current

    def with_keep(session: Session) -> PlatformSpec:
        spec = current(session)
        found = spec.to_json()
        found["locations"]["local"]["keep_predictions_s"] = 400 * DAY
        return PlatformSpec.from_json(found)

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
        assert privacy.predictions_locked_s(session) == 30 * YEAR_S
