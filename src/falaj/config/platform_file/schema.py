"""The schema of platform.yaml: the parser of `PlatformSpec`, and the JSON Schema for editors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from falaj.config.fields import Duration, ModelName, Name, NonEmpty, Or, Origin, SecretName, Strict, problem, text_like
from falaj.config.placement import fitting
from falaj.config.platform_file.connections import Connection
from falaj.config.platform_file.fields import (
    DAYS,
    Clock,
    Day,
    Issuer,
    Moment,
    PolicyPath,
    PrivateHost,
    TimeZone,
    minute_of,
    unix_s,
)
from falaj.config.platform_file.listening import Listen, Listeners
from falaj.config.platform_file.notifications import Notification
from falaj.config.platform_file.packs import PACK_LIST, Packs, as_mapping
from falaj.config.platform_file.secret_stores import Reference, SecretStore
from falaj.config.platform_spec import (
    DEFAULT_APPROVAL_EXPIRES_S,
    DEFAULT_EMERGENCY_EXPIRES_S,
    DEFAULT_REVIEW_WITHIN_S,
    BindingSpec,
    EnvironmentSpec,
    ExecutorKind,
    ExecutorSpec,
    FreezeSpec,
    LocationKind,
    LocationSpec,
    PlacementSpec,
    PlatformSpec,
    Runtime,
    StandardChangeSpec,
    WindowSpec,
    default_approvals,
)
from falaj.config.secret_stores import parse_reference
from falaj.config.strategies import StrategyField
from falaj.schemas.limits import MAX_KEPT_S, MIN_KEPT_S

Count = Annotated[int, Field(ge=0, le=20)]


class Approvals(Strict):
    """How many different people must approve a change; the requester and the model's author do not count."""

    normal: Count | None = Field(
        default=None,
        description="For a normal change. Where nothing is said: 2 on the highest environment, 1 on the one below "
        "it if there are more than two, 0 on the others.",
    )
    emergency: Count | None = Field(
        default=None, description="For an emergency change; 2 where nothing is said and a normal change needs any."
    )

    def to_spec(self, place: int, count: int) -> dict[str, int]:
        """The numbers, with those that the file does not say."""
        normal = default_approvals(place, count)["normal"] if self.normal is None else self.normal
        emergency = (2 if normal else 0) if self.emergency is None else self.emergency
        return {"normal": normal, "emergency": emergency}


class Freeze(Strict):
    """A time in which nothing is deployed but emergencies."""

    from_: Moment = Field(alias="from", description="First day, or the time at which it begins.")
    to: Moment = Field(description="Last day, the day included, or the time at which it ends.")
    reason: NonEmpty = Field(description="What people are told.")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if unix_s(self.to, "UTC", end=True) <= unix_s(self.from_, "UTC"):
            raise problem("the freeze ends before it begins", "a `to` after its `from`")
        return self

    def to_spec(self, timezone: str) -> FreezeSpec:
        """The freeze in unix seconds."""
        return FreezeSpec(unix_s(self.from_, timezone), unix_s(self.to, timezone, end=True), self.reason)


class Window(Strict):
    """Hours of the week in which changes are deployed."""

    days: list[Day] = Field(default=[*DAYS], min_length=1, description="Days on which it begins; every day by default.")
    from_: Clock = Field(alias="from", description="When it begins.")
    to: Clock = Field(description="When it ends: on the next day, when that is not after `from`.")

    def to_spec(self) -> WindowSpec:
        """The window in minutes of the day."""
        days = tuple(sorted({DAYS.index(day) for day in self.days}))
        return WindowSpec(days, minute_of(self.from_), minute_of(self.to))


class Placement(Strict):
    """Which locations an environment takes, instead of a list: each release gets those where its data may be."""

    jurisdiction: list[Origin] = Field(
        default=[], description="Laws under which it may be; `AE` also takes `AE-DU`. Any by default."
    )
    kind: list[LocationKind] = Field(default=[], description="Sorts of places; any by default.")
    latency_class: list[Name] = Field(default=[], description="How near to its callers; any by default.")
    at_least: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="A release that may be at fewer locations is refused."
    )

    def to_spec(self) -> PlacementSpec:
        """The placement as other rooms consume it."""
        return PlacementSpec(tuple(self.jurisdiction), tuple(self.kind), tuple(self.latency_class), self.at_least)


class EnvironmentSettings(Strict):
    """An environment; releases pass them in the order of their ranks."""

    rank: int = Field(
        ge=0, le=99, description="Place in the order. Runs deploy to 0; a release goes from one to the next."
    )
    locations: list[ModelName] = Field(default=["local"], min_length=1, description="Where its endpoints run.")
    placement: Placement | None = Field(
        default=None, description="Constraints that choose the locations, instead of `locations`."
    )
    approvals: Approvals = Field(default=Approvals(), description="How many people approve a change.")
    windows: list[Window] = Field(
        default=[], description="Hours in which changes are deployed; at any time by default."
    )
    freeze: list[Freeze] = Field(default=[], description="Times in which nothing is deployed but emergencies.")
    timezone: TimeZone | None = Field(default=None, description="For windows and freezes; by default the platform's.")
    approval_expires: Duration = Field(
        default=DEFAULT_APPROVAL_EXPIRES_S,
        json_schema_extra={"default": "7d"},
        description="How long a normal change may wait, from its request until it is deployed.",
    )
    emergency_expires: Duration = Field(
        default=DEFAULT_EMERGENCY_EXPIRES_S,
        json_schema_extra={"default": "4h"},
        description="How long an emergency change may wait.",
    )
    review_within: Duration = Field(
        default=DEFAULT_REVIEW_WITHIN_S,
        json_schema_extra={"default": "1d"},
        description="An emergency change that is not reviewed in this time is rolled back.",
    )

    require_lockfile: bool = Field(
        default=True,
        description="Whether a release must have been made with a lockfile. On the lowest environment none needs one.",
    )
    require_pinned_exam: bool = Field(
        default=False, description="Whether a release must have a gate on an exam, a source that no step may read."
    )
    require_computed_metric: bool = Field(
        default=False,
        description="Whether a release must have a gate whose metric the platform computes; with `require_pinned_exam` "
        "it is one and the same gate.",
    )
    require_library_code: bool = Field(
        default=False, description="Whether a release is refused whose model is loaded with code of its project."
    )
    rollout: StrategyField | None = Field(
        default=None, description="How every candidate comes in here; by default the project's file says it."
    )
    bake: Duration = Field(
        default=0.0,
        json_schema_extra={"default": "0s"},
        description="How long a candidate is live at one location before the next one begins.",
    )

    @model_validator(mode="after")
    def _placed_once(self) -> Self:
        if self.placement is not None and "locations" in self.model_fields_set:
            raise problem("both name where it runs", "either `locations` or `placement`")
        return self

    def to_spec(
        self, name: str, timezone: str, place: int, count: int, locations: Mapping[str, LocationSpec]
    ) -> EnvironmentSpec:
        """The environment as other rooms consume it.

        Args:
            name: Its name.
            timezone: The platform's zone, where it has none of its own.
            place: Its place, counted from 0 at the bottom.
            count: How many there are.
            locations: All of the platform, for its placement.
        """
        zone = self.timezone or timezone
        placement = None if self.placement is None else self.placement.to_spec()
        return EnvironmentSpec(
            name=name,
            rank=self.rank,
            locations=tuple(self.locations) if placement is None else fitting(placement, locations),
            approvals=self.approvals.to_spec(place, count),
            freeze=tuple(freeze.to_spec(zone) for freeze in self.freeze),
            windows=tuple(window.to_spec() for window in self.windows),
            timezone=zone,
            review_within_s=self.review_within,
            approval_expires_s=self.approval_expires,
            emergency_expires_s=self.emergency_expires,
            rollout=asdict(self.rollout.to_spec()) if self.rollout else None,
            bake_s=self.bake,
            require_lockfile=self.require_lockfile,
            require_pinned_exam=self.require_pinned_exam,
            require_computed_metric=self.require_computed_metric,
            require_library_code=self.require_library_code,
            placement=placement,
        )


class Predictions(Strict):
    """The log of what was predicted at a location."""

    keep: Annotated[Duration, Field(ge=MIN_KEPT_S, le=MAX_KEPT_S)] | None = Field(
        default=None,
        description="How long predictions and their labels are kept, a day at least; for ever by default. What a law "
        "of a policy pack or the location itself asks to keep longer is kept longer.",
    )


class LocationSettings(Strict):
    """A place where endpoints run; its agent gives the same name."""

    kind: LocationKind = Field(default="on-prem", description="What sort of place it is.")
    jurisdiction: Origin = Field(description="ISO 3166 code of the law that holds there.")
    runtime: Runtime = Field(default="process", description="What starts the model servers.")
    latency_class: Name | None = Field(default=None, description="How near to its callers it is, in your own words.")
    predictions: Predictions = Field(default=Predictions(), description="The log of what was predicted there.")
    listen: Listen | None = Field(
        default=None, description="Where its endpoints are reached from other machines; nowhere by default."
    )

    def to_spec(self, name: str) -> LocationSpec:
        """The location as other rooms consume it."""
        location_fields = self.model_dump(exclude={"predictions", "listen"})
        listen = None if self.listen is None else self.listen.to_spec()
        return LocationSpec(name, **location_fields, keep_predictions_s=self.predictions.keep, listen=listen)


class ExecutorSettings(Strict):
    """Where steps of runs are carried out, besides the machine of the control plane, which is `local`."""

    kind: ExecutorKind = Field(
        description="`worker`: machines elsewhere that ask for steps, by `falaj platform worker --join`."
    )
    jurisdiction: Origin = Field(description="ISO 3166 code of the law that holds there.")
    default: bool = Field(default=False, description="Whether steps go there that name no `executor`.")
    data_from: list[Origin] = Field(
        default=[],
        description="Countries whose data about people, of banks, of health and of governments may go there although "
        "it is another country. Rules of a policy pack hold besides.",
    )

    def to_spec(self, name: str) -> ExecutorSpec:
        """The executor as other rooms consume it."""
        settings = self.model_dump(exclude={"data_from"})
        return ExecutorSpec(name, **settings, data_from=tuple(dict.fromkeys(self.data_from)))


class Scope(Strict):
    """Where a role holds; give one of them."""

    project: NonEmpty | None = Field(default=None, description="For this project alone.")
    environment: ModelName | None = Field(default=None, description="For this environment alone.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.project is None) == (self.environment is None):
            raise problem("a scope is one thing", "either `project` or `environment`; no scope for the whole platform")
        return self


class RoleBinding(Strict):
    """Who has a role; give either `group` or `user`."""

    role: Literal["data-scientist", "ml-engineer", "release-manager", "auditor", "admin", "service"] = Field(
        description="What they may do; the reference of policies says what each role may."
    )
    group: NonEmpty | None = Field(default=None, description="A group of the identity provider or of accounts.")
    user: NonEmpty | None = Field(default=None, description="The name of one user.")
    scope: Scope | None = Field(default=None, description="Where it holds; everywhere by default.")

    @model_validator(mode="after")
    def _who(self) -> Self:
        if (self.group is None) == (self.user is None):
            raise problem("a binding names who has the role", "either `group` or `user`")
        if self.role == "admin" and self.scope is not None:
            raise problem("an administrator is one of the whole platform", "`role: admin` without a scope")
        return self

    def to_spec(self) -> BindingSpec:
        """The binding as other rooms consume it."""
        scope = {} if self.scope is None else self.scope.model_dump()
        return BindingSpec(self.role, self.group, self.user, **scope)


class StandardChange(Strict):
    """A change that is approved in advance, for models of `risk: low` alone."""

    environments: list[ModelName] = Field(min_length=1, description="Where it may be used.")
    projects: list[NonEmpty] = Field(default=[], description="Projects that may use it; all by default.")


class Entity(Strict):
    """The legal entity that runs the platform; policy packs read it."""

    name: NonEmpty | None = Field(default=None, description="Its name, for reports.")
    jurisdiction: Origin = Field(description="ISO 3166 code of the country it is established in.")
    regime: Literal["mainland", "difc", "adgm"] = Field(
        default="mainland", description="Whose data protection law it is under: the country's or a free zone's."
    )
    sector: Literal["general", "health", "banking", "insurance", "government"] = Field(
        default="general", description="Its business, where that has a law of its own."
    )


class Oidc(Strict):
    """An OpenID Connect provider that people log in with."""

    issuer: Issuer = Field(description="The provider's issuer, exactly as its tokens say it.")
    client_id: NonEmpty = Field(description="The id under which the provider knows this platform.")
    group_claim: NonEmpty = Field(default="groups", description="The claim of ID tokens that lists a person's groups.")


class CallerProvider(Strict):
    """An OpenID Connect provider whose access tokens callers show to endpoints with `callers: oidc`."""

    issuer: Issuer = Field(description="The provider's issuer, exactly as its tokens say it.")
    audience: Annotated[
        str, text_like(r"^[!-z]*\{endpoint\}[!-z]*$", "what its tokens are for, with `{endpoint}` in it", 300)
    ] = Field(description="The audience of tokens for an endpoint; `{endpoint}` stands for `ENVIRONMENT/MODEL`.")
    max_life: Annotated[Duration, Field(ge=60, le=86_400)] = Field(
        default=3_600, description="A token that is good for longer is refused: how long one lasts that was stolen."
    )


class Identity(Strict):
    """Who vouches for people and for callers of endpoints."""

    oidc: Oidc | None = Field(default=None, description="An OpenID Connect provider.")
    callers: CallerProvider | None = Field(
        default=None, description="A provider whose tokens callers of endpoints show; may be the same one."
    )


class Egress(Strict):
    """Where the platform connects to besides public addresses: repositories, and what an identity provider names."""

    private: list[PrivateHost] = Field(
        default=[],
        max_length=100,
        description="Hosts that may have private addresses, and networks such as 10.20.0.0/16. This machine is "
        "permitted; link-local addresses and the metadata services of clouds never are.",
    )


class PlatformDocument(Strict):
    """What the platform consists of, and the rules that hold in it."""

    environments: dict[ModelName, EnvironmentSettings] | None = Field(
        default=None,
        min_length=1,
        description="The environments; by default dev 0, test 1, pre-prod 2 and prod 3 on the location `local`.",
    )
    locations: dict[ModelName, LocationSettings] | None = Field(
        default=None, min_length=1, description="Where endpoints run, by name; by default `local`."
    )
    executors: dict[ModelName, ExecutorSettings] = Field(
        default={}, description="Where steps run besides the machine of the control plane, by name."
    )
    timezone: TimeZone = Field(default="UTC", description="For windows and freezes of environments that name none.")
    roles: list[RoleBinding] = Field(default=[], description="Who has which role where.")
    standard_changes: dict[Name, StandardChange] = Field(
        default={}, description="What is approved in advance, by name."
    )
    policy_packs: Annotated[Packs, BeforeValidator(as_mapping), Or(PACK_LIST)] = Field(
        default=Packs(), description="Packs of rules that hold: a list of names, or a mapping of names to settings."
    )
    policies: dict[Name, PolicyPath] = Field(
        default={}, description="The organisation's own Cedar policies, by name; they add to the platform's."
    )
    entity: Entity | None = Field(default=None, description="The legal entity that runs the platform.")
    identity: Identity = Field(default=Identity(), description="Where people come from, besides local accounts.")
    notifications: list[Notification] = Field(
        default=[], max_length=20, description="Systems that are told of events by webhook."
    )
    connections: dict[ModelName, Connection] = Field(
        default={}, description="Other systems that data is read from, by the name that sources call them."
    )
    secret_stores: dict[ModelName, SecretStore] = Field(
        default={}, description="Where secrets are kept that are not kept here, by the name that `secrets` calls them."
    )
    secrets: dict[SecretName, Reference] = Field(
        default={},
        description="Secrets of `connections` that a store keeps, as `STORE:PATH#FIELD`; all others are kept by "
        "`falaj platform secret set`.",
    )
    egress: Egress = Field(default=Egress(), description="Which private addresses the platform connects to.")
    listen: Listeners = Field(default=Listeners(), description="Where other machines reach the platform.")

    def to_spec(self, policies: Mapping[str, str]) -> PlatformSpec:
        """The platform as other rooms consume it.

        Args:
            policies: The texts of the policies by name.
        """
        default = PlatformSpec.default()
        locations = {name: each.to_spec(name) for name, each in (self.locations or {}).items()} or default.locations
        return PlatformSpec(
            environments=self._environments(locations) or default.environments,
            locations=locations,
            roles=tuple(binding.to_spec() for binding in self.roles),
            policy_packs=self.policy_packs.names(),
            pack_settings=self.policy_packs.settings(),
            policies=dict(policies),
            standard_changes=tuple(
                StandardChangeSpec(name, tuple(each.environments), tuple(each.projects))
                for name, each in self.standard_changes.items()
            ),
            entity={} if self.entity is None else self.entity.model_dump(exclude_none=True),
            identity=self.identity.model_dump(exclude_none=True),
            notifications=tuple(each.to_spec() for each in self.notifications),
            connections={name: each.to_spec(name) for name, each in self.connections.items()},
            secret_stores={name: each.to_spec(name) for name, each in self.secret_stores.items()},
            secrets={name: parse_reference(text) for name, text in self.secrets.items()},
            private_egress=tuple(dict.fromkeys(self.egress.private)),
            server_listen=None if self.listen.server is None else self.listen.server.to_spec(),
            executors={name: each.to_spec(name) for name, each in self.executors.items()},
        )

    def _environments(self, locations: Mapping[str, LocationSpec]) -> dict[str, EnvironmentSpec]:
        ordered = sorted((self.environments or {}).items(), key=lambda item: item[1].rank)
        return {
            name: each.to_spec(name, self.timezone, place, len(ordered), locations)
            for place, (name, each) in enumerate(ordered)
        }


def platform_json_schema() -> dict[str, Any]:
    """The JSON Schema of platform.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PlatformDocument.model_json_schema()}
