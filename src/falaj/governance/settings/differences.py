"""What two specifications of a platform differ in, and which differences make it less strict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from falaj.project.platform_spec import BindingSpec, EnvironmentSpec, PlatformSpec

Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Difference:
    """One thing that an apply changes.

    Attributes:
        kind: What happens to it.
        path: What it is, such as `environments.prod.approvals.normal`.
        before: Its value now; None when it is added.
        after: Its value then; None when it is removed.
        loosens: It asks for less than before: fewer approvals, no freeze, a role more, a policy less.
    """

    kind: Kind
    path: str
    before: Any
    after: Any
    loosens: bool = False


def differences(old: PlatformSpec, new: PlatformSpec) -> tuple[Difference, ...]:
    """Compare two specifications.

    Args:
        old: What holds.
        new: What is to hold.

    Returns:
        In the order of their paths; none when both mean the same.
    """
    before, after = _leaves(old), _leaves(new)
    paths = sorted(before.keys() | after.keys())
    return tuple(_difference(path, before, after) for path in paths if before.get(path) != after.get(path))


def _difference(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    was, becomes = before.get(path), after.get(path)
    kind: Kind = "added" if path not in before else "removed" if path not in after else "changed"
    return Difference(kind, path, was, becomes, _loosens(path, kind, was, becomes))


def _leaves(spec: PlatformSpec) -> dict[str, Any]:
    """Every setting by its path; lists of things that have no name are one setting for each thing."""
    found: dict[str, Any] = {}
    for environment in spec.environments.values():
        found |= _environment(environment)
    for location in spec.locations.values():
        found |= {f"locations.{location.name}.{key}": item for key, item in _given(asdict(location), "name")}
    found |= {f"roles.{binding_words(binding)}": True for binding in spec.roles}
    found |= {f"policy_packs.{pack}": True for pack in spec.policy_packs}
    found |= {f"policies.{name}": text for name, text in spec.policies.items()}
    for change in spec.standard_changes:
        found |= {f"standard_changes.{change.name}.{key}": item for key, item in _given(asdict(change), "name")}
    found |= dict(_flat("entity", spec.entity)) | dict(_flat("identity", spec.identity))
    return found


def _environment(environment: EnvironmentSpec) -> dict[str, Any]:
    start = f"environments.{environment.name}"
    plain = _given(asdict(environment), "name", "approvals", "freeze")
    freezes = {f"{start}.freeze.{each.reason}": {"start": each.start, "end": each.end} for each in environment.freeze}
    return (
        {f"{start}.{key}": item for key, item in plain}
        | dict(_flat(f"{start}.approvals", environment.approvals))
        | freezes
    )


def _given(values: Mapping[str, Any], *without: str) -> Iterator[tuple[str, Any]]:
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
    """Whether less is asked for than before; an environment that is new asks for nothing that held before."""
    section, _, rest = path.partition(".")
    match section:
        case "roles" | "standard_changes":
            return kind != "removed"
        case "policies" | "policy_packs":
            return kind != "added"
        case "environments":
            return _environment_loosens(rest.split(".", 1)[1], kind, before, after)
    return False


def _environment_loosens(setting: str, kind: Kind, before: Any, after: Any) -> bool:
    if setting.startswith("freeze."):
        return kind == "removed" or (kind == "changed" and not _covers(after, before))
    if setting.startswith("approvals."):
        return kind == "changed" and after < before
    if setting in {"review_within_s", "approval_expires_s", "emergency_expires_s"}:
        return kind == "changed" and after > before
    return (setting == "windows" and kind != "added") or (setting == "rank" and kind == "changed")


def _covers(after: Mapping[str, float], before: Mapping[str, float]) -> bool:
    return after["start"] <= before["start"] and before["end"] <= after["end"]
