"""What two specifications of a platform differ in, and which differences make it less strict."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, Literal

from falaj.config.platform_spec import BindingSpec, EnvironmentSpec, PlatformSpec

Kind = Literal["added", "removed", "changed"]

_PERMITS = re.compile(r"\bpermit\b")


@dataclass(frozen=True)
class SettingDifference:
    """One thing that an apply changes.

    Attributes:
        kind: What happens to it.
        path: What it is, such as `environments.prod.approvals.normal`.
        before: Its value now; None when it is added.
        after: Its value then; None when it is removed.
        loosens: It asks for less than before: fewer approvals, no freeze, a role more, a policy less;
            or it tells others more.
    """

    kind: Kind
    path: str
    before: Any
    after: Any
    loosens: bool = False


def differences(old: PlatformSpec, new: PlatformSpec) -> tuple[SettingDifference, ...]:
    """Compare two specifications.

    Args:
        old: What holds.
        new: What is to hold.

    Returns:
        In the order of their paths; none when both mean the same.
    """
    whole = _names(old) ^ _names(new)
    before, after = _leaves(old, whole), _leaves(new, whole)
    paths = sorted(before.keys() | after.keys())
    return tuple(_difference(path, before, after) for path in paths if before.get(path) != after.get(path))


def _names(spec: PlatformSpec) -> frozenset[str]:
    """The paths of what has settings of its own; what only one specification has is one difference as a whole."""
    environments = (f"environments.{name}" for name in spec.environments)
    locations = (f"locations.{name}" for name in spec.locations)
    return frozenset({*environments, *locations, *(f"executors.{name}" for name in spec.executors)})


def _difference(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> SettingDifference:
    was, becomes = before.get(path), after.get(path)
    kind: Kind = "added" if path not in before else "removed" if path not in after else "changed"
    return SettingDifference(kind, path, was, becomes, _loosens(path, kind, was, becomes))


def _leaves(spec: PlatformSpec, whole: Set[str]) -> dict[str, Any]:
    """Every setting by its path; things that have no name have their words for it."""
    leaves: dict[str, Any] = {}
    for environment in spec.environments.values():
        leaves |= _named(f"environments.{environment.name}", _environment(environment), whole)
    for location in spec.locations.values():
        leaves |= _named(f"locations.{location.name}", dict(_unlisted(asdict(location), "name")), whole)
    for executor in spec.executors.values():
        leaves |= _named(f"executors.{executor.name}", dict(_unlisted(asdict(executor), "name")), whole)
    leaves |= {f"roles.{binding_words(binding)}": True for binding in spec.roles}
    leaves |= {f"policy_packs.{pack}": True for pack in spec.policy_packs}
    leaves |= dict(_flat("pack_settings", json.loads(json.dumps(dict(spec.pack_settings)))))
    leaves |= {f"policies.{name}": text for name, text in spec.policies.items()}
    leaves |= {f"standard_changes.{each.name}": dict(_unlisted(asdict(each), "name")) for each in spec.standard_changes}
    leaves |= {f"notifications.{each.name}": dict(_unlisted(asdict(each), "url")) for each in spec.notifications}
    leaves |= {f"connections.{name}": dict(_unlisted(asdict(each), "name")) for name, each in spec.connections.items()}
    stores = spec.secret_stores.items()
    leaves |= {f"secret_stores.{name}": dict(_unlisted(asdict(each), "name")) for name, each in stores}
    leaves |= {f"secrets.{name}": str(reference) for name, reference in spec.secrets.items()}
    leaves |= {f"egress.{each}": True for each in spec.private_egress}
    if spec.server_listen is not None:
        leaves["listen.server"] = json.loads(json.dumps(asdict(spec.server_listen)))
    return leaves | dict(_flat("entity", spec.entity)) | dict(_flat("identity", spec.identity))


def _named(path: str, settings: dict[str, Any], whole: Set[str]) -> dict[str, Any]:
    return {path: settings} if path in whole else {f"{path}.{key}": item for key, item in settings.items()}


def _environment(environment: EnvironmentSpec) -> dict[str, Any]:
    environment_values = dict(_unlisted(asdict(environment), "name", "approvals", "freeze", "windows"))
    if environment.windows:
        environment_values["windows"] = [f"{window} {environment.timezone}" for window in environment.windows]
    for freeze in environment.freeze:
        environment_values.setdefault(f"freeze.{freeze.reason}", []).append([freeze.start, freeze.end])
    return environment_values | dict(_flat("approvals", environment.approvals))


def _unlisted(values: Mapping[str, Any], *without: str) -> Iterator[tuple[str, Any]]:
    """What is set and not listed, as JSON values: tuples are lists once they were stored."""
    for key, value in values.items():
        if key not in without and value not in (None, (), [], {}):
            yield key, json.loads(json.dumps(value))


def _flat(path: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(f"{path}.{key}", item)
        elif item is not None:
            yield f"{path}.{key}", item


def binding_words(binding: BindingSpec) -> str:
    """A binding as people say it: `group release-managers is release-manager in environment prod`."""
    who = f"group {binding.group}" if binding.group else f"user {binding.user}"
    scopes = (("project", binding.project), ("environment", binding.environment))
    where = [f"{kind} {name}" for kind, name in scopes if name]
    return f"{who} is {binding.role} in {' and '.join(where) or 'the tenant'}"


def _loosens(path: str, kind: Kind, before: Any, after: Any) -> bool:
    """Whether less is asked for than before; a new environment asks for nothing that held before."""
    section, _, rest = path.partition(".")
    match section:
        case "roles" | "egress" | "executors":  # an executor more is one place more that data goes to
            return kind == "added"
        case "standard_changes":
            return kind == "added" or (kind == "changed" and not _narrower(after, before))
        case "policies":
            return kind != "added" or _PERMITS.search(str(after)) is not None
        case "policy_packs":
            return kind != "added"
        case "identity":
            return kind != "removed"  # others may come in, or with other groups
        case "pack_settings":
            return _pack_loosens(rest.rpartition(".")[2], kind, before, after)
        case "notifications" | "listen" | "connections" | "secret_stores" | "secrets":
            return kind != "removed"  # somebody else learns of something, or comes in
        case "locations":
            return _location_loosens(rest.partition(".")[2], kind, before, after)
        case "environments":
            _, _, setting = rest.partition(".")
            return _environment_loosens(setting, kind, before, after) if setting else kind == "removed"
    return False


def _environment_loosens(setting: str, kind: Kind, before: Any, after: Any) -> bool:
    if setting.startswith("freeze."):
        return kind == "removed" or (kind == "changed" and not _covers(after, before))
    if setting.startswith("approvals."):
        return kind == "changed" and bool(after < before)
    if setting in {"review_within_s", "approval_expires_s", "emergency_expires_s"}:
        return kind == "changed" and bool(after > before)
    if setting == "bake_s":
        return bool(after < before)
    if setting.startswith("require_"):
        return bool(before) and not after
    if setting == "locations":
        return not set(after or ()) <= set(before or ())
    return (setting in {"windows", "rollout", "placement"} and kind != "added") or (
        setting == "rank" and kind == "changed"
    )


def _location_loosens(setting: str, kind: Kind, before: Any, after: Any) -> bool:
    """Whether data may be elsewhere than before, its log goes sooner, or others come in."""
    if setting == "keep_predictions_s":
        return kind == "added" or (kind == "changed" and bool(after < before))
    return setting == "jurisdiction" or (setting == "listen" and kind != "removed")


def _pack_loosens(setting: str, kind: Kind, before: Any, after: Any) -> bool:
    """Whether a pack asks for less: what has a default counts as looser unless it is surely not."""
    if setting == "adequate_countries":
        return not set(after or ()) <= set(before or ())
    if setting == "dpo":
        return kind != "added"
    longer_is_stricter = setting.endswith("_retention_years")
    return kind != "changed" or bool(after < before if longer_is_stricter else after > before)


def _covers(after: Sequence[Sequence[float]], before: Sequence[Sequence[float]]) -> bool:
    """Whether each of the earlier freezes is inside one of the later ones."""
    return all(any(start <= old[0] and old[1] <= end for start, end in after) for old in before)


def _narrower(after: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]]) -> bool:
    """Whether a standard change covers nothing that it did not cover before; no projects are all projects."""
    environments = set(after["environments"]) <= set(before["environments"])
    old, new = set(before.get("projects", ())), set(after.get("projects", ()))
    return environments and (not old or (bool(new) and new <= old))
