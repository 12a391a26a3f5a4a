"""Which locations fit an environment's placement, and what keeps the others out."""

from __future__ import annotations

import pytest

from falaj.config.placement import fitting, nearest_rules, unmet_rules
from falaj.config.platform_spec import LocationSpec, PlacementSpec

DUBAI = LocationSpec("dubai", "cloud", "AE-DU", latency_class="near")
CLINIC = LocationSpec("clinic", "edge", "AE")
RIYADH = LocationSpec("riyadh", "on-prem", "SA", latency_class="regional")
LOCATIONS = {each.name: each for each in (DUBAI, CLINIC, RIYADH)}


@pytest.mark.parametrize(
    ("placement", "names"),
    [
        (PlacementSpec(), ("dubai", "clinic", "riyadh")),
        (PlacementSpec(jurisdictions=("AE",)), ("dubai", "clinic")),
        (PlacementSpec(jurisdictions=("AE-DU",)), ("dubai",)),
        (PlacementSpec(jurisdictions=("A",)), ()),
        (PlacementSpec(kinds=("edge", "on-prem")), ("clinic", "riyadh")),
        (PlacementSpec(latency_classes=("near",)), ("dubai",)),
        (PlacementSpec(jurisdictions=("AE",), kinds=("on-prem",)), ()),
    ],
)
def test_every_rule_counts(placement: PlacementSpec, names: tuple[str, ...]) -> None:
    assert fitting(placement, LOCATIONS) == names


def test_each_rule_that_is_not_met_is_named() -> None:
    placement = PlacementSpec(("SA",), ("edge",), ("near",))
    assert unmet_rules(placement, CLINIC) == ("jurisdiction AE is not SA", "latency class (none) is not near")


def test_the_nearest_location_says_what_to_loosen() -> None:
    placement = PlacementSpec(("AE",), ("on-prem",))
    assert nearest_rules(placement, LOCATIONS.values()) == ("dubai: kind cloud is not on-prem",)
    assert nearest_rules(PlacementSpec(), LOCATIONS.values()) == ()
