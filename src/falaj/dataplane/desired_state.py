"""What a location must serve, and what it says that it serves: the messages between control plane and agent (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from falaj.core.errors import UsageError
from falaj.dataplane.callers import Admittance
from falaj.dataplane.errors import DesiredStateError
from falaj.schemas.limits import MAX_KEPT_S, MAX_REPLICAS, MIN_KEPT_S
from falaj.statistics.rollout import Command, PersonRequested, RolloutPlan
from falaj.supply_chain.artifacts.digest import Digest, parse_digest

_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?")
_NAMELESS = "?"
_MAX_REASON = 500


class ReleaseRole(StrEnum):
    """What a release is to its endpoint."""

    PRIMARY = "primary"
    """What the endpoint is to serve; while it rolls out, the candidate."""
    STABLE = "stable"
    """What the endpoint served before, while the primary one rolls out."""
    CHALLENGER = "challenger"
    """Gets a copy of the requests, for comparison."""
    BASELINE = "baseline"
    """More replicas of a release, which another one is judged against; agents make these themselves."""


@dataclass(frozen=True)
class ReplicaRange:
    """How many replicas an endpoint may have, by its load.

    Args:
        least: Fewest; 0 lets it sleep.
        most: Most.
        idle_s: How long it has no request before it sleeps, in seconds.
    """

    least: int
    most: int
    idle_s: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ReplicaRange:
        """Read a range.

        Raises:
            ValueError: It is not one.
        """
        most = _whole(value["max"], "max", 1, MAX_REPLICAS)
        idle_s = value["idle_s"]
        if isinstance(idle_s, bool) or not isinstance(idle_s, int | float) or not 0 < idle_s < 2**31:
            raise ValueError(f"idle_s must be positive seconds, not {idle_s!r}")
        return cls(_whole(value["min"], "min", 0, most), most, float(idle_s))

    def to_json(self) -> dict[str, float]:
        """Write it as the control plane sends it."""
        return {"min": self.least, "max": self.most, "idle_s": self.idle_s}


@dataclass(frozen=True)
class DesiredEndpoint:
    """One release of an endpoint as the control plane wants it.

    Args:
        environment: Where it serves: dev, test, pre-prod, prod.
        model: Name of the model line.
        release: Number of the release to serve.
        digest: Its model artifact.
        replicas: How many processes serve it.
        role: What it is to the endpoint.
        evidence: DSSE envelopes of the release.
        admission: DSSE envelopes of what was decided: admission, approvals, and whose keys signed those.
        log: Checkpoint of the audit log and the proof that it holds each envelope.
        environment_lock: Digest of the lockfile of the project environment; None when it needs none.
        reference: Digest of what its monitors compare with; None when there is nothing.
        scale: Within what its number of replicas follows its load; None where it is `replicas`.
    """

    environment: str
    model: str
    release: int
    digest: Digest
    replicas: int = 1
    role: ReleaseRole = ReleaseRole.PRIMARY
    evidence: tuple[Mapping[str, Any], ...] = ()
    admission: tuple[Mapping[str, Any], ...] = ()
    log: Mapping[str, Any] = field(default_factory=dict)
    environment_lock: str | None = None
    reference: str | None = None
    scale: ReplicaRange | None = None

    @property
    def name(self) -> str:
        """`environment/model`, as in the URL."""
        return f"{self.environment}/{self.model}"

    @classmethod
    def from_json(cls, value: Any) -> DesiredEndpoint:
        """Read one endpoint.

        Raises:
            DesiredStateError: Naming the field that is wrong.
        """
        try:
            endpoint = cls(
                environment=_name(value["environment"]),
                model=_name(value["model"]),
                release=_whole(value["release"], "release", 1, 2**31),
                digest=parse_digest(value["digest"]),
                replicas=_whole(value.get("replicas", 1), "replicas", 1, MAX_REPLICAS),
                role=ReleaseRole(value.get("role", ReleaseRole.PRIMARY)),
                evidence=tuple(value.get("evidence", ())),
                admission=tuple(value.get("admission", ())),
                log=dict(value.get("log") or {}),
                environment_lock=value.get("environment_lock"),
                reference=parse_digest(value["reference"]) if value.get("reference") else None,
                scale=ReplicaRange.from_json(value["scale"]) if value.get("scale") else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, UsageError) as error:
            raise DesiredStateError(f"an endpoint of the desired state is wrong: {error!r}") from error
        return endpoint

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        return {
            "endpoint": self.name, "environment": self.environment, "model": self.model, "release": self.release,
            "digest": self.digest, "replicas": self.replicas, "role": str(self.role),
            "evidence": list(self.evidence), "admission": list(self.admission), "log": dict(self.log),
            "environment_lock": self.environment_lock, "reference": self.reference,
            "scale": self.scale.to_json() if self.scale else None,
        }  # fmt: skip


@dataclass(frozen=True)
class DesiredRollout:
    """A rollout that the control plane wants, and what people asked of it.

    Args:
        plan: What it is to do.
        requests: What was asked for, the first first; agents remember how many they have done.
    """

    plan: RolloutPlan
    requests: tuple[PersonRequested, ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> DesiredRollout:
        """Read a wish.

        Raises:
            DesiredStateError: It is not one.
        """
        try:
            commands = [
                PersonRequested(Command(each["command"]), each["by"], each["reason"]) for each in value["asked"]
            ]
            return cls(RolloutPlan.from_json(value["plan"]), tuple(commands))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DesiredStateError(f"a rollout of the desired state is wrong: {error!r}") from error

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        commands = [{"command": str(each.command), "by": each.by, "reason": each.reason} for each in self.requests]
        return {"plan": self.plan.to_json(), "asked": commands}


@dataclass(frozen=True)
class RefusedEndpoint:
    """An endpoint whose description could not be read; what it serves already goes on.

    Args:
        release: Number of its release, as far as it can be read; else 0.
        reason: What is wrong.
    """

    release: int
    reason: str


@dataclass(frozen=True)
class DesiredState:
    """All endpoints of a location.

    Args:
        version: Grows with every change; -1 before anything was heard.
        endpoints: Each release of an endpoint once; one of them is the primary one.
        rollouts: By endpoint name: how its primary and its challengers come in; several rollouts of an endpoint
            differ in their candidates.
        keep_predictions_s: How long the prediction log is kept, in seconds; None for ever.
        refused: Endpoints that are described wrongly, by name: they cost themselves alone.
        admittance: Who may ask, and where.
    """

    version: int = -1
    endpoints: tuple[DesiredEndpoint, ...] = ()
    rollouts: Mapping[str, tuple[DesiredRollout, ...]] = field(default_factory=dict)
    keep_predictions_s: float | None = None
    refused: Mapping[str, RefusedEndpoint] = field(default_factory=dict)
    admittance: Admittance = field(default_factory=Admittance)

    @classmethod
    def from_json(cls, value: Any) -> DesiredState:
        """Read a desired state; an endpoint that cannot be read, or is named twice, is refused and the rest holds.

        Raises:
            DesiredStateError: It is not one.
        """
        if not isinstance(value, Mapping) or not isinstance(value.get("version"), int):
            raise DesiredStateError("the desired state needs a version and endpoints")
        refused = _refused_before(value.get("refused"))
        endpoints = _endpoints(_items(value.get("endpoints")), refused)
        rollouts = _rollouts(value.get("rollouts"), refused)
        return cls(
            value["version"],
            tuple(endpoint for endpoint in endpoints if endpoint.name not in refused),
            {name: wishes for name, wishes in rollouts.items() if name not in refused},
            _retention(value.get("keep_predictions_s")),
            refused,
            _admittance(value.get("admittance")),
        )

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        return {
            "version": self.version,
            "endpoints": [endpoint.to_json() for endpoint in self.endpoints],
            "rollouts": {
                name: [desired_rollout.to_json() for desired_rollout in wishes]
                for name, wishes in self.rollouts.items()
            },
            "keep_predictions_s": self.keep_predictions_s,
            "refused": {name: {"release": each.release, "reason": each.reason} for name, each in self.refused.items()},
            "admittance": self.admittance.to_json(),
        }


@dataclass(frozen=True)
class Servable:
    """An endpoint whose release was fetched and admitted: what a runtime may start.

    Args:
        endpoint: What is wanted.
        model_dir: The verified copy.
        python: Interpreter of the project environment; None for the platform's own.
        admitted_at: When it was admitted, unix seconds.
    """

    endpoint: DesiredEndpoint
    model_dir: Path
    python: Path | None = None
    admitted_at: float = 0.0


@dataclass(frozen=True)
class BaselineStatus:
    """How the baseline of an endpoint is doing.

    Args:
        state: Of all its replicas together.
        message: Why, when it is not ready.
    """

    state: EndpointState
    message: str = ""


class EndpointState(StrEnum):
    """How far an endpoint is from what is wanted."""

    PENDING = "pending"
    STARTING = "starting"
    ROLLING = "rolling"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class EndpointStatus:
    """What a location reports of one endpoint.

    Args:
        endpoint: `environment/model`.
        release: The release that is wanted.
        state: Of that release.
        replicas_ready: Of that release.
        message: Why, when it is not ready.
        url: Where predictions are made.
        serving: The release that answers now; None when none does.
        rollouts: How its rollouts are doing; see `agent.rollouts.Record.report`.
        baseline: The replicas beside it that another release is judged against; None where there are none. Known to
            the agent alone.
        in_flight: Requests that its arm works on; known to the agent alone, of the canary.
        recalibrations: By what the answers of its releases are moved; see `agent.recalibration.report_of`.
        door: Where predictions are made from other machines; empty where they are not.
        callers: Those that the gateway lets in.
    """

    endpoint: str
    release: int
    state: EndpointState
    replicas_ready: int = 0
    message: str = ""
    url: str = ""
    serving: int | None = None
    rollouts: tuple[Mapping[str, Any], ...] = ()
    baseline: BaselineStatus | None = None
    in_flight: int = 0
    recalibrations: Sequence[Mapping[str, Any]] = ()
    door: str = ""
    callers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write it as the agent sends it."""
        return {
            "endpoint": self.endpoint, "release": self.release, "state": str(self.state),
            "replicas_ready": self.replicas_ready, "message": self.message, "url": self.url, "serving": self.serving,
            "door": self.door, "callers": list(self.callers), "rollouts": [dict(each) for each in self.rollouts],
            "recalibrations": [dict(each) for each in self.recalibrations],
        }  # fmt: skip


def _items(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list | tuple):
        raise DesiredStateError("the endpoints of the desired state are a list")
    return list(value or ())


def _admittance(value: Any) -> Admittance:
    """Where nothing is said, nobody is let in by a token; what cannot be read is no reason to let anyone in."""
    try:
        return Admittance() if value is None else Admittance.from_json(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DesiredStateError(f"who may ask, of the desired state, is wrong: {error!r}") from error


def _refused_before(value: Any) -> dict[str, RefusedEndpoint]:
    """What a remembered desired state says of endpoints that were refused when it came."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {
        str(name): RefusedEndpoint(_release_of(each), str(each.get("reason", ""))[:_MAX_REASON])
        for name, each in items
        if isinstance(each, Mapping)
    }


def _endpoints(items: Iterable[Any], refused: dict[str, RefusedEndpoint]) -> list[DesiredEndpoint]:
    """Those that can be read; the names of the others are added to `refused`."""
    endpoints: list[DesiredEndpoint] = []
    arms: set[tuple[str, int]] = set()
    primaries: set[str] = set()
    for item in items:
        try:
            endpoint = DesiredEndpoint.from_json(item)
        except DesiredStateError as error:
            refused[_name_of(item)] = RefusedEndpoint(_release_of(item), error.message[:_MAX_REASON])
            continue
        again = endpoint.role is ReleaseRole.PRIMARY and endpoint.name in primaries
        if again or (endpoint.name, endpoint.release) in arms:
            refused[endpoint.name] = RefusedEndpoint(endpoint.release, "the desired state names the endpoint twice")
        arms.add((endpoint.name, endpoint.release))
        primaries |= {endpoint.name} if endpoint.role is ReleaseRole.PRIMARY else set()
        endpoints.append(endpoint)
    return endpoints


def _rollouts(value: Any, refused: dict[str, RefusedEndpoint]) -> dict[str, tuple[DesiredRollout, ...]]:
    rollouts = {}
    for name, items in value.items() if isinstance(value, Mapping) else ():
        try:
            rollouts[str(name)] = tuple(DesiredRollout.from_json(item) for item in items)
        except (DesiredStateError, TypeError) as error:
            refused[str(name)] = RefusedEndpoint(0, str(error)[:_MAX_REASON])
    return rollouts


def _name_of(item: Any) -> str:
    """The name of an endpoint that cannot be read, as far as it has one."""
    try:
        return f"{_name(item['environment'])}/{_name(item['model'])}"
    except (KeyError, TypeError, ValueError, IndexError):
        return _NAMELESS


def _release_of(item: Any) -> int:
    release = item.get("release") if isinstance(item, Mapping) else None
    return release if type(release) is int and 0 <= release < 2**31 else 0


def _retention(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and MIN_KEPT_S <= value <= MAX_KEPT_S):
        return value
    raise DesiredStateError(f"`keep_predictions_s` is nothing, or a day at least in seconds, not {value!r}")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or ".." in value:
        raise ValueError(f"{value!r} is not a name (lower-case letters, digits, - _ .)")
    return value


def _whole(value: Any, field_name: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{field_name} must be a whole number from {low} to {high}, not {value!r}")
    return value
