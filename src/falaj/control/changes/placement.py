"""Where a release goes in an environment: to the locations that fit, and where the data that made it may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from falaj.config.placement import unmet_rules
from falaj.config.platform_spec import EnvironmentSpec, LocationSpec, PlatformSpec
from falaj.supply_chain.attestations import Dataset
from falaj.supply_chain.attestations.admission import PINNED


@dataclass(frozen=True)
class LocationPlacement:
    """Whether a release goes to a location of the platform, and by which rule.

    Args:
        location: Name of the location.
        kind: What sort of place it is.
        jurisdiction: The law that holds there.
        placed: Whether the release goes there.
        rule: What lets it in, or keeps it out.
    """

    location: str
    kind: str
    jurisdiction: str
    placed: bool
    rule: str


def locations_for(spec: PlatformSpec, environment: EnvironmentSpec, datasets: Iterable[Dataset]) -> tuple[str, ...]:
    """The locations of an environment that a release is for.

    Args:
        spec: The settings in force.
        environment: One of them.
        datasets: What is signed of the data that reached the model.

    Returns:
        All of the environment where they are listed; where constraints place them, those where the data may be.
    """
    if environment.placement is None:
        return environment.locations
    pinned = pinned_origins(datasets)
    return tuple(name for name in environment.locations if not _kept_out(spec.locations[name], pinned))


def placements(
    spec: PlatformSpec, environment: EnvironmentSpec, datasets: Iterable[Dataset]
) -> tuple[LocationPlacement, ...]:
    """Of every location of the platform, whether a release goes there and why.

    Args:
        spec: The settings in force.
        environment: One of them.
        datasets: What is signed of the data that reached the model.
    """
    pinned = pinned_origins(datasets)
    each_alone = tuple(_placement(environment, location, pinned) for location in spec.locations.values())
    if environment.placement is not None:
        return each_alone
    return _together(each_alone, environment.locations)


def pinned_origins(datasets: Iterable[Dataset]) -> frozenset[str]:
    """The jurisdictions that data must not leave, which reached the model."""
    return frozenset(each.origin for each in datasets if each.classification in PINNED)


def _together(each_alone: Sequence[LocationPlacement], listed: Sequence[str]) -> tuple[LocationPlacement, ...]:
    """Of listed locations a release gets all or none."""
    kept_out = [each.location for each in each_alone if each.location in listed and not each.placed]
    if not kept_out:
        return tuple(each_alone)
    rule = f"listed together with {', '.join(kept_out)}"
    return tuple(replace(each, placed=False, rule=rule) if each.placed else each for each in each_alone)


def _placement(environment: EnvironmentSpec, location: LocationSpec, pinned: frozenset[str]) -> LocationPlacement:
    reasons = tuple(_reasons(environment, location, pinned))
    rule = "; ".join(reasons) if reasons else _let_in(environment)
    return LocationPlacement(location.name, location.kind, location.jurisdiction, not reasons, rule)


def _reasons(environment: EnvironmentSpec, location: LocationSpec, pinned: frozenset[str]) -> Iterator[str]:
    if environment.placement is not None:
        yield from unmet_rules(environment.placement, location)
    elif location.name not in environment.locations:
        yield f"not among the locations of {environment.name}"
    if why := _kept_out(location, pinned):
        yield why


def _let_in(environment: EnvironmentSpec) -> str:
    return f"{'listed by' if environment.placement is None else 'fits the placement of'} {environment.name}"


def _kept_out(location: LocationSpec, pinned: frozenset[str]) -> str:
    """Which data keeps a release from a location, in words; empty where none does."""
    elsewhere = sorted(pinned - {location.jurisdiction})
    return f"data of {', '.join(elsewhere)} stays there" if elsewhere else ""
