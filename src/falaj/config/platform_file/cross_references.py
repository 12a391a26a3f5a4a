"""What the schema cannot see: whether names lead to something, and whether the ranks make an order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from falaj.config.errors import Issue, nearest
from falaj.config.placement import nearest_rules
from falaj.config.platform_spec import OWN_EXECUTOR, EnvironmentSpec, PlacementSpec, PlatformSpec
from falaj.config.yaml_reader import Document, Path


def reference_issues(spec: PlatformSpec, document: Document) -> list[Issue]:
    """Every name that leads nowhere, and every rank that does not fit.

    Args:
        spec: The platform, valid by its schema.
        document: The file, for places.
    """
    return [
        *_location_issues(spec, document),
        *_rank_issues(spec, document),
        *_environment_issues(spec, document),
        *_notification_issues(spec, document),
        *_executor_issues(spec, document),
        *_secret_issues(spec, document),
    ]


def _location_issues(spec: PlatformSpec, document: Document) -> Iterator[Issue]:
    for name, environment in spec.environments.items():
        path: Path = ("environments", name, "locations")
        if environment.placement is not None:
            yield from _placement_issues(spec, environment, environment.placement, document)
            continue
        yield from _unknown(document, path, environment.locations, spec.locations, "location")
        twice = {each for each in environment.locations if environment.locations.count(each) > 1}
        if twice:
            yield document.issue(path, f"`{min(twice)}` is named twice", "each location once")


def _placement_issues(
    spec: PlatformSpec, environment: EnvironmentSpec, placement: PlacementSpec, document: Document
) -> Iterator[Issue]:
    if len(environment.locations) < placement.at_least:
        count = f"{len(environment.locations)} of {len(spec.locations)} locations fit"
        nearest_unmet = "; ".join(nearest_rules(placement, spec.locations.values()))
        expected = f"at least {placement.at_least}" + (f" (nearest is {nearest_unmet})" if nearest_unmet else "")
        yield document.issue(("environments", environment.name, "placement"), count, expected)


def _rank_issues(spec: PlatformSpec, document: Document) -> Iterator[Issue]:
    holders: dict[int, str] = {}
    for environment in spec.ordered_environments:
        path: Path = ("environments", environment.name, "rank")
        if environment.rank in holders:
            other = holders[environment.rank]
            yield document.issue(path, f"`{other}` has rank {environment.rank} too", "one environment a rank")
        holders[environment.rank] = environment.name
    lowest = spec.ordered_environments[0]
    if lowest.rank != 0:
        path = ("environments", lowest.name, "rank")
        yield document.issue(path, "no environment has rank 0", "0 for the lowest: runs deploy there")


def _environment_issues(spec: PlatformSpec, document: Document) -> Iterator[Issue]:
    for index, binding in enumerate(spec.roles):
        if binding.environment is not None:
            path: Path = ("roles", index, "scope", "environment")
            yield from _unknown(document, path, binding.environment, spec.environments, "environment")
    for change in spec.standard_changes:
        path = ("standard_changes", change.name, "environments")
        yield from _unknown(document, path, change.environments, spec.environments, "environment")


def _executor_issues(spec: PlatformSpec, document: Document) -> Iterator[Issue]:
    if OWN_EXECUTOR in spec.executors:
        path: Path = ("executors", OWN_EXECUTOR)
        yield document.issue(path, f"`{OWN_EXECUTOR}` is the machine of the control plane", "another name")
    defaults = [name for name, executor in spec.executors.items() if executor.default]
    for name in defaults[1:]:
        path = ("executors", name, "default")
        yield document.issue(path, f"`{defaults[0]}` is the default already", "`default: true` once")


def _notification_issues(spec: PlatformSpec, document: Document) -> Iterator[Issue]:
    names: set[str] = set()
    for index, each in enumerate(spec.notifications):
        if each.name in names:
            key = "url" if each.url else "to" if each.mail else "secret"
            yield document.issue(("notifications", index, key), "the address is given twice", "one entry an address")
        names.add(each.name)


def _secret_issues(spec: PlatformSpec, document: Document) -> Iterator[Issue]:
    """A store that there is not, and secrets of a store that are needed before one is asked, or without asking."""
    for name, reference in spec.secrets.items():
        path: Path = ("secrets", name)
        yield from _unknown(document, path, reference.store, spec.secret_stores, "secret store")
        kind = spec.secret_stores[reference.store].kind if reference.store in spec.secret_stores else ""
        if kind in ("vault", "file") and (kind == "vault") != bool(reference.field):
            expected = "STORE:PATH#FIELD" if kind == "vault" else "STORE:PATH"
            yield document.issue(path, f"a secret of a {kind} store is written otherwise", expected)
    for name, store in spec.secret_stores.items():
        if store.secret in spec.secrets:
            path = ("secret_stores", name, "approle", "secret")
            yield document.issue(path, f"{store.secret} is in a store itself", "one that `falaj platform secret` keeps")
    for index, each in enumerate(spec.notifications):
        if each.secret in spec.secrets:
            path = ("notifications", index, "secret")
            yield document.issue(path, "stores keep secrets of `connections` alone", "one of `falaj platform secret`")


def _unknown(
    document: Document, path: Path, named: str | Iterable[str], valid_names: Iterable[str], what: str
) -> Iterator[Issue]:
    """An issue for each name that is not known; the path of a list is completed with the item's index."""
    items = [(path, named)] if isinstance(named, str) else [((*path, index), name) for index, name in enumerate(named)]
    for place, name in items:
        if name not in valid_names:
            expected = f"one of {', '.join(valid_names)}"
            yield document.issue(place, f"there is no {what} {name!r}", expected, nearest(name, valid_names))
