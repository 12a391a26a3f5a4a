"""What the platform's team asks for, as plain frozen dataclasses.

`falaj.config.platform_file` reads them from platform.yaml; `falaj.trust.settings` keeps what was applied. Only
the standard library is imported here, and modules like this one. Mappings inside hold JSON values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from falaj.config.connections import ConnectionSpec
from falaj.config.notifications import NotificationSpec
from falaj.config.secret_stores import SecretReference, SecretStoreSpec
from falaj.core.json_record import JsonRecord

PLATFORM_SPEC_VERSION = 1
"""Raised whenever the JSON form changes in a way that an older reader would misread."""

ROLES = ("data-scientist", "ml-engineer", "release-manager", "auditor", "admin", "service")
"""The roles that a binding can give."""

LocationKind = Literal["on-prem", "cloud", "edge"]
Runtime = Literal["process"]
"""What starts model servers: what a platform file may name is what works."""

ExecutorKind = Literal["worker"]
"""What carries out steps elsewhere: what a platform file may name is what works."""
OWN_EXECUTOR = "local"
"""The machine of who conducts a run."""

_DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

DEFAULT_REVIEW_WITHIN_S = 86_400.0
DEFAULT_APPROVAL_EXPIRES_S = 7 * 86_400.0
DEFAULT_EMERGENCY_EXPIRES_S = 4 * 3_600.0


@dataclass(frozen=True)
class FreezeSpec:
    """A time in which nothing is deployed but emergencies.

    Attributes:
        start: First second of it, unix seconds.
        end: The second after the last, unix seconds.
        reason: What people are told.
    """

    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class WindowSpec:
    """Hours of the week in which changes are deployed.

    Attributes:
        days: Days on which the window begins, Monday 0 to Sunday 6.
        start_minute: Minute of the day at which it begins, in the environment's time zone.
        end_minute: Minute of the day before which it ends; when it is not after the start, on the next day.
    """

    days: tuple[int, ...]
    start_minute: int
    end_minute: int

    def __str__(self) -> str:
        """The window as people write it: `Mon Tue 09:00-17:00`."""
        days = " ".join(_DAY_NAMES[day] for day in self.days)
        return f"{days} {_clock(self.start_minute)}-{_clock(self.end_minute)}"


@dataclass(frozen=True)
class PlacementSpec:
    """Which locations an environment takes.

    Attributes:
        jurisdictions: Laws under which it may be; an entry such as `AE` also takes `AE-DU`. Empty for any.
        kinds: Sorts of places; empty for any.
        latency_classes: How near to its callers a place is; empty for any.
        at_least: A release that may be at fewer locations is refused.
    """

    jurisdictions: tuple[str, ...] = ()
    kinds: tuple[LocationKind, ...] = ()
    latency_classes: tuple[str, ...] = ()
    at_least: int = 1


@dataclass(frozen=True)
class EnvironmentSpec:
    """One of the environments, in their order.

    Attributes:
        name: Its name.
        rank: Its place in the order; a run deploys to the lowest, 0.
        locations: Where its endpoints run.
        approvals: How many different people must approve a change, by kind: `normal` and `emergency`.
        freeze: Times in which nothing is deployed but emergencies.
        windows: Hours in which changes are deployed; none means at any time.
        timezone: IANA name of the zone in which windows and days of freezes are meant.
        review_within_s: An emergency change is rolled back when nobody has reviewed it after so many seconds.
        approval_expires_s: A normal change is void when it was not deployed so many seconds after its request.
        emergency_expires_s: The same for an emergency change.
        rollout: Strategy of every deployment here, `kind` and `options`; None leaves it to the projects.
        bake_s: How long a candidate is live at one location before the next one begins.
        require_lockfile: Whether a release must have been made with a lockfile; on the lowest none needs one.
        require_pinned_exam: Whether one of its gates must be on a source that no step may read.
        require_computed_metric: Whether the platform must compute the metric of one, of the same where both are asked.
        require_library_code: Whether nothing of the project may be loaded with the model.
        placement: Constraints that chose `locations`; each release gets those of them where its data may be. None
            where the locations are listed: a release gets all of them or is refused.
    """

    name: str
    rank: int
    locations: tuple[str, ...] = ("local",)
    approvals: Mapping[str, int] = field(default_factory=lambda: {"normal": 0, "emergency": 0})
    freeze: tuple[FreezeSpec, ...] = ()
    windows: tuple[WindowSpec, ...] = ()
    timezone: str = "UTC"
    review_within_s: float = DEFAULT_REVIEW_WITHIN_S
    approval_expires_s: float = DEFAULT_APPROVAL_EXPIRES_S
    emergency_expires_s: float = DEFAULT_EMERGENCY_EXPIRES_S
    rollout: Mapping[str, Any] | None = None
    bake_s: float = 0.0
    require_lockfile: bool = True
    require_pinned_exam: bool = False
    require_computed_metric: bool = False
    require_library_code: bool = False
    placement: PlacementSpec | None = None


@dataclass(frozen=True)
class ListenSpec:
    """Where other machines come in.

    Attributes:
        address: IP address to listen on.
        port: Port to listen on.
        tls: By whose certificate TLS is spoken; `off` on loopback addresses alone.
        cert: File of the certificate, with `files`.
        key: File of its private key, with `files`.
        names: Names and addresses by which callers reach it, the one in URLs first.
    """

    address: str
    port: int
    tls: Literal["internal-ca", "off", "files"] = "internal-ca"
    cert: str = ""
    key: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class LocationSpec:
    """A place where endpoints run.

    Attributes:
        name: Its name; its agent gives the same.
        kind: What sort of place it is.
        jurisdiction: ISO 3166 code of the law that holds there, such as `AE` or `AE-DU`.
        runtime: What starts the model servers.
        latency_class: How near to its callers it is, such as `near` or `regional`; free text.
        keep_predictions_s: How long its prediction log is kept, in seconds; None for ever.
        listen: Where its endpoints are reached from other machines; None where they are not.
    """

    name: str
    kind: LocationKind = "on-prem"
    jurisdiction: str = "AE"
    runtime: Runtime = "process"
    latency_class: str | None = None
    keep_predictions_s: float | None = None
    listen: ListenSpec | None = None


@dataclass(frozen=True)
class ExecutorSpec:
    """Where steps of runs are carried out, besides the machine of who conducts the run.

    Attributes:
        name: Its name, which steps may name.
        kind: What starts their processes: `worker` is machines elsewhere that ask for steps.
        jurisdiction: ISO 3166 code of the law that holds there.
        default: Whether steps go there that name no executor.
        data_from: Countries whose data about people, of banks, of health and of governments may go there although it
            is another one.
    """

    name: str
    kind: ExecutorKind = "worker"
    jurisdiction: str = "AE"
    default: bool = False
    data_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class BindingSpec:
    """A role, who has it, and where. Exactly one of `group` and `user` is set; at most one of the scopes.

    Attributes:
        role: One of `ROLES`.
        group: A group of the identity provider or of accounts.
        user: Name of a user, without `user:`.
        project: The role holds for this project alone.
        environment: The role holds for this environment alone.
    """

    role: str
    group: str | None = None
    user: str | None = None
    project: str | None = None
    environment: str | None = None


@dataclass(frozen=True)
class StandardChangeSpec:
    """A change that is approved in advance, for models of low risk alone.

    Attributes:
        name: Its name.
        environments: Where it may be used.
        projects: Projects that may use it; empty for all.
    """

    name: str
    environments: tuple[str, ...]
    projects: tuple[str, ...] = ()

    def covers(self, environment: str, project: str) -> bool:
        """Tell whether a project's change of an environment is approved in advance."""
        return environment in self.environments and (not self.projects or project in self.projects)


@dataclass(frozen=True)
class PlatformSpec(JsonRecord):
    """A whole platform.yaml, checked.

    Attributes:
        environments: By name, in the order of their ranks.
        locations: By name.
        roles: Who has which role where.
        policy_packs: Names of the packs of rules that hold, such as `uae`.
        pack_settings: What is set of them, by name of the pack; what is not set has the pack's own default.
        policies: The organisation's own policies: Cedar text by name.
        standard_changes: What is approved in advance.
        entity: The legal entity: `name`, `jurisdiction`, `regime`, `sector`, where they are given.
        identity: `oidc` with `issuer`, `client_id` and `group_claim`, where people come from such a provider.
        notifications: Who is told of which events.
        connections: Other systems that data is read from, by name.
        secret_stores: Where secrets are kept that are not kept here, by name.
        secrets: What is read from which store, by the name of the secret.
        private_egress: Hosts and networks that the platform connects to although they are not public.
        server_listen: Where the API is reached from other machines; None where it is not.
        executors: Where steps run besides the machine of who conducts a run, by name.
    """

    environments: Mapping[str, EnvironmentSpec]
    locations: Mapping[str, LocationSpec]
    roles: tuple[BindingSpec, ...] = ()
    policy_packs: tuple[str, ...] = ()
    pack_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    standard_changes: tuple[StandardChangeSpec, ...] = ()
    entity: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    notifications: tuple[NotificationSpec, ...] = ()
    connections: Mapping[str, ConnectionSpec] = field(default_factory=dict)
    secret_stores: Mapping[str, SecretStoreSpec] = field(default_factory=dict)
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)
    private_egress: tuple[str, ...] = ()
    server_listen: ListenSpec | None = None
    executors: Mapping[str, ExecutorSpec] = field(default_factory=dict)

    @classmethod
    def default(cls) -> PlatformSpec:
        """What holds where no platform.yaml was applied: four environments on the location `local`."""
        names = ("dev", "test", "pre-prod", "prod")
        environments = {
            name: EnvironmentSpec(name, rank, approvals=default_approvals(rank, len(names)))
            for rank, name in enumerate(names)
        }
        return cls(environments, {"local": LocationSpec("local")})

    @property
    def ordered_environments(self) -> tuple[EnvironmentSpec, ...]:
        """The environments from the lowest environment to the highest."""
        return tuple(sorted(self.environments.values(), key=lambda each: each.rank))

    @property
    def default_executor(self) -> str:
        """Where steps run that name no executor."""
        return next((name for name, each in self.executors.items() if each.default), OWN_EXECUTOR)

    def below(self, environment: str) -> EnvironmentSpec | None:
        """The environment that a release must have passed before this one; None for the lowest.

        Raises:
            KeyError: There is no such environment.
        """
        rank = self.environments[environment].rank
        return max(
            (each for each in self.ordered_environments if each.rank < rank), key=lambda each: each.rank, default=None
        )

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON values; `from_json` reads it back unchanged."""
        return super().to_json() | {"version": PLATFORM_SPEC_VERSION}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It was written by a version of this module that this one does not read.
        """
        if document.get("version") != PLATFORM_SPEC_VERSION:
            version = document.get("version")
            raise ValueError(f"platform specification of version {version}, not {PLATFORM_SPEC_VERSION}")
        return super().from_json(document)


def default_approvals(place: int, count: int) -> dict[str, int]:
    """How many people approve where the file does not say: two at the top, one below it, none on the first two.

    Args:
        place: Its place, counted from 0 at the bottom.
        count: How many there are.
    """
    normal = 0 if place == 0 else 2 if place == count - 1 else 1 if place == count - 2 and place >= 2 else 0
    return {"normal": normal, "emergency": 2 if normal else 0}


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
