"""Which locations fit an environment's placement, and which rule keeps the others out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from falaj.config.platform_spec import LocationSpec, PlacementSpec


def unmet_rules(placement: PlacementSpec, location: LocationSpec) -> tuple[str, ...]:
    """What a location does not meet, in words; nothing for one that fits.

    Args:
        placement: What is asked for.
        location: A place.
    """
    return tuple(_unmet(placement, location))


def fitting(placement: PlacementSpec, locations: Mapping[str, LocationSpec]) -> tuple[str, ...]:
    """The locations that meet every rule, in the order of the platform file."""
    return tuple(name for name, each in locations.items() if not unmet_rules(placement, each))


def nearest_rules(placement: PlacementSpec, locations: Iterable[LocationSpec]) -> tuple[str, ...]:
    """What keeps out the location that fails the fewest rules: the nearest thing to loosen.

    Args:
        placement: What is asked for.
        locations: Places, of which some fit.

    Returns:
        In words, with the location's name first; nothing where all of them fit.
    """
    unmet = [(each.name, rules) for each in locations if (rules := unmet_rules(placement, each))]
    name, rules = min(unmet, key=lambda each: len(each[1]), default=("", ()))
    return tuple(f"{name}: {rule}" for rule in rules)


def _unmet(placement: PlacementSpec, location: LocationSpec) -> Iterator[str]:
    if placement.jurisdictions and not any(_is_under(location.jurisdiction, each) for each in placement.jurisdictions):
        yield f"jurisdiction {location.jurisdiction} is not {_any_of(placement.jurisdictions)}"
    if placement.kinds and location.kind not in placement.kinds:
        yield f"kind {location.kind} is not {_any_of(placement.kinds)}"
    if placement.latency_classes and location.latency_class not in placement.latency_classes:
        yield f"latency class {location.latency_class or '(none)'} is not {_any_of(placement.latency_classes)}"


def _is_under(jurisdiction: str, law: str) -> bool:
    """Whether a place is under a law: a subdivision is under that of its country."""
    return jurisdiction == law or jurisdiction.startswith(f"{law}-")


def _any_of(names: Iterable[str]) -> str:
    return " or ".join(names)
