"""The calls, one method per operation of the API.

The calls of a room and its documents are imported at their first use, as a command needs those of one room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from falaj.core.home import Home
from falaj.schemas import api
from falaj.sdk.credentials import token_for
from falaj.sdk.executors import ExecutorCalls
from falaj.sdk.http import Transport
from falaj.sdk.notebook import Listing, RunComparison

if TYPE_CHECKING:
    from falaj.schemas.lineage import Trace
    from falaj.sdk.audit import AuditCalls
    from falaj.sdk.bundles import BundleCalls
    from falaj.sdk.callers import CallerCalls
    from falaj.sdk.changes import ChangeCalls
    from falaj.sdk.federation import FederationCalls
    from falaj.sdk.gates import GateCalls
    from falaj.sdk.identity import AccountCalls, IdentityCalls
    from falaj.sdk.keys import KeyCalls, SecretCalls
    from falaj.sdk.lineage import LineageCalls
    from falaj.sdk.monitoring import MonitoringCalls
    from falaj.sdk.notifications import NotificationCalls
    from falaj.sdk.policy import PolicyCalls
    from falaj.sdk.predictions import PredictionCalls
    from falaj.sdk.privacy import PrivacyCalls
    from falaj.sdk.rollouts import RolloutCalls
    from falaj.sdk.scorings import ScoringCalls
    from falaj.sdk.settings import SettingsCalls
    from falaj.sdk.trainings import TrainingCalls
    from falaj.sdk.workload import LocationCalls

_PREFIX = "/api/v1"


class Client:
    """One server and the right to use it.

    Args:
        url: Base URL of the server.
        token: Bearer token.
        installation: The home whose server this must be, before it is sent the token; None for any server.
        cacert: File of the authority that the server's certificate is of; empty for those of the system.
    """

    def __init__(self, url: str, token: str, installation: Home | None = None, cacert: str = "") -> None:
        self._transport = Transport(url, token, installation=installation, cacert=cacert)

    @classmethod
    def from_home(cls, home: Home | None = None) -> Client:
        """The client of the installation on this machine, or of the server that `FALAJ_SERVER` names.

        It acts as who is logged in there (`falaj login`), else with the installation's own token. `FALAJ_CACERT` names
        the authority of a server elsewhere that has no certificate of a public one.

        Nothing secret is sent before the server has proved to be this installation's; `FALAJ_SERVER` names another one
        to whoever has a session or a token of it.

        Raises:
            NotLoggedInError: The session of the person that was named, or of who logged in last, has ended.
        """
        chosen = home or Home.from_environment()
        token = token_for(chosen)
        local = not chosen.settings.get("FALAJ_SERVER") or token == chosen.token
        cacert = chosen.settings.get("FALAJ_CACERT") or ""
        return cls(chosen.server_url, token, chosen if local else None, cacert)

    @classmethod
    def of_installation(cls, home: Home) -> Client:
        """The client that acts as the installation itself, whoever is logged in."""
        return cls(home.server_url, home.token, home)

    @cached_property
    def bundles(self) -> BundleCalls:
        """What was signed about releases."""
        from falaj.sdk.bundles import BundleCalls

        return BundleCalls(self._transport)

    @cached_property
    def audit(self) -> AuditCalls:
        """The audit log."""
        from falaj.sdk.audit import AuditCalls

        return AuditCalls(self._transport)

    @cached_property
    def changes(self) -> ChangeCalls:
        """Changes: requests, approvals, rollbacks."""
        from falaj.sdk.changes import ChangeCalls

        return ChangeCalls(self._transport)

    @cached_property
    def gates(self) -> GateCalls:
        """Gates that failures left behind."""
        from falaj.sdk.gates import GateCalls

        return GateCalls(self._transport)

    @cached_property
    def trainings(self) -> TrainingCalls:
        """What starts trainings, and asking for one."""
        from falaj.sdk.trainings import TrainingCalls

        return TrainingCalls(self._transport)

    @cached_property
    def rollouts(self) -> RolloutCalls:
        """Rollouts: how candidates are doing."""
        from falaj.sdk.rollouts import RolloutCalls

        return RolloutCalls(self._transport)

    @cached_property
    def lineage(self) -> LineageCalls:
        """What came from what, and why endpoints serve what they serve."""
        from falaj.sdk.lineage import LineageCalls

        return LineageCalls(self._transport)

    @cached_property
    def monitoring(self) -> MonitoringCalls:
        """Monitors, drift, performance and alerts."""
        from falaj.sdk.monitoring import MonitoringCalls

        return MonitoringCalls(self._transport)

    @cached_property
    def predictions(self) -> PredictionCalls:
        """Predictions as data."""
        from falaj.sdk.predictions import PredictionCalls

        return PredictionCalls(self._transport)

    @cached_property
    def scorings(self) -> ScoringCalls:
        """Scoring of files."""
        from falaj.sdk.scorings import ScoringCalls

        return ScoringCalls(self._transport)

    @cached_property
    def policy(self) -> PolicyCalls:
        """Permission: the policies in force."""
        from falaj.sdk.policy import PolicyCalls

        return PolicyCalls(self._transport)

    @cached_property
    def privacy(self) -> PrivacyCalls:
        """Privacy: records, breaches, requests of people, compliance."""
        from falaj.sdk.privacy import PrivacyCalls

        return PrivacyCalls(self._transport)

    @cached_property
    def settings(self) -> SettingsCalls:
        """The platform's settings."""
        from falaj.sdk.settings import SettingsCalls

        return SettingsCalls(self._transport)

    @cached_property
    def keys(self) -> KeyCalls:
        """Data keys."""
        from falaj.sdk.keys import KeyCalls

        return KeyCalls(self._transport)

    @cached_property
    def identity(self) -> IdentityCalls:
        """Who one is: sessions, tokens, approval keys."""
        from falaj.sdk.identity import IdentityCalls

        return IdentityCalls(self._transport)

    @cached_property
    def accounts(self) -> AccountCalls:
        """Accounts of people and services."""
        from falaj.sdk.identity import AccountCalls

        return AccountCalls(self._transport)

    @cached_property
    def federation(self) -> FederationCalls:
        """The identity provider, and security keys."""
        from falaj.sdk.federation import FederationCalls

        return FederationCalls(self._transport)

    @cached_property
    def notifications(self) -> NotificationCalls:
        """Systems that are told of events."""
        from falaj.sdk.notifications import NotificationCalls

        return NotificationCalls(self._transport)

    @cached_property
    def secrets(self) -> SecretCalls:
        """Secrets of steps and of the platform."""
        from falaj.sdk.keys import SecretCalls

        return SecretCalls(self._transport)

    @cached_property
    def callers(self) -> CallerCalls:
        """Who may ask endpoints."""
        from falaj.sdk.callers import CallerCalls

        return CallerCalls(self._transport)

    @cached_property
    def executors(self) -> ExecutorCalls:
        """Where steps run, and the machines that carry them out."""
        return ExecutorCalls(self._transport)

    @cached_property
    def locations(self) -> LocationCalls:
        """Locations and their agents."""
        from falaj.sdk.workload import LocationCalls

        return LocationCalls(self._transport)

    def health(self) -> api.Health:
        """Whether the server answers."""
        return api.decode(api.Health, self._get("/health"))

    def register_project(self, name: str, repository: str, **settings: Any) -> api.Project:
        """Register a repository; settings are `branch`, `vendor`, `webhook_secret`, `poll_every_s`."""
        payload = {"name": name, "repository": repository, **settings}
        return api.decode(api.Project, self._transport.json("POST", f"{_PREFIX}/projects", payload))

    def projects(self, limit: int | None = None) -> Listing[api.Project]:
        """The projects by name; all of them without a limit."""
        return Listing(self._transport.list(api.Project, f"{_PREFIX}/projects", limit=limit))

    def push(self, project: str, ref: str, after: str) -> api.Triggered:
        """Announce that a branch moved to a commit."""
        announced = {"project": project, "ref": ref, "after": after}
        return api.decode(api.Triggered, self._transport.json("POST", f"{_PREFIX}/triggers/push", announced))

    def start_run(self, project: str, commit: str, params: Mapping[str, Mapping[str, Any]]) -> api.Run:
        """Queue a run of a commit with parameter overrides by step."""
        payload = {"project": project, "commit": commit, "params": params}
        return api.decode(api.Run, self._transport.json("POST", f"{_PREFIX}/runs", payload))

    def runs(
        self,
        project: str | None = None,
        limit: int | None = 20,
        condition: str = "",
        *,
        state: str | None = None,
        model: str | None = None,
        sort: str | None = None,
    ) -> Listing[api.Run]:
        """The newest runs first, of those that pass a filter such as `gate.brier < 0.2 and param.depth > 3`.

        Args:
            project: Of this one only.
            limit: How many at most; all of them for None.
            condition: The filter.
            state: In this state only.
            model: That built this model only.
            sort: `created_at`, `project` or `state`, with `-` for the largest first.
        """
        query = {"project": project, "filter": condition or None, "state": state, "model": model, "sort": sort}
        return Listing(self._transport.list(api.Run, f"{_PREFIX}/runs", query, limit))

    def run(self, run_id: str) -> api.Run:
        """One run with its steps; `last` is the newest."""
        return api.decode(api.Run, self._get(f"/runs/{quote(run_id)}"))

    def compare_runs(self, first: str, second: str = "last") -> RunComparison:
        """Two runs side by side: parameters, data, reports and gates."""
        return RunComparison.of(self.run(first), self.run(second))

    def cancel_run(self, run_id: str) -> api.Run:
        """Ask for the end of a run."""
        return api.decode(api.Run, self._transport.json("POST", f"{_PREFIX}/runs/{quote(run_id)}/cancel"))

    def log(self, run_id: str, node: str, first: int = 1, lines: int | None = None) -> str:
        """What a step printed so far: so many lines from one on, or all that follow it."""
        path = f"{_PREFIX}/runs/{quote(run_id)}/logs/{quote(node)}"
        return self._transport.text(path, {"first": first, "lines": lines})

    def events(self, subject: str = "", after: int = 0) -> Iterator[api.Event]:
        """Events as they happen, from the one after `after`."""
        for item in self._transport.events(f"{_PREFIX}/events", {"subject": subject, "after": after}):
            yield api.decode(api.Event, item)

    def releases(self, model: str | None = None, limit: int | None = None) -> Listing[api.Release]:
        """The newest releases first; all of them without a limit."""
        return Listing(self._transport.list(api.Release, f"{_PREFIX}/releases", {"model": model}, limit))

    def release(self, name: str) -> api.Release:
        """The release that `model@number` or `model@latest` names."""
        return api.decode(api.Release, self._get(f"/releases/{quote(name)}"))

    def move_model(self, model: str, project: str, reason: str) -> None:
        """Give a model to another project, whose roles decide about it from now on."""
        self._transport.json(
            "PUT", f"{_PREFIX}/models/{quote(model, safe='')}/owner", {"project": project, "reason": reason}
        )

    def evidence(self, name: str) -> list[dict[str, Any]]:
        """The signed envelopes of a release."""
        envelopes: list[dict[str, Any]] = self._get(f"/releases/{quote(name)}/evidence")
        return envelopes

    def endpoints(
        self, environment: str | None = None, model: str | None = None, limit: int | None = None
    ) -> Listing[api.Endpoint]:
        """Every endpoint with what it serves; all of them without a limit."""
        query = {"environment": environment, "model": model}
        return Listing(self._transport.list(api.Endpoint, f"{_PREFIX}/endpoints", query, limit))

    def endpoint(self, name: str) -> api.Endpoint | None:
        """The endpoint `environment/model`, or None."""
        environment, _, model = name.partition("/")
        return next(iter(self.endpoints(environment, model, 1)), None)

    def trace(self, prediction_id: str) -> Trace:
        """Where a prediction comes from."""
        from falaj.schemas.lineage import Trace

        return api.decode(Trace, self._get(f"/predictions/{quote(prediction_id)}"))

    def collect(self, grace_s: float) -> api.Collected:
        """Remove artifacts that nothing reaches."""
        path = f"{_PREFIX}/artifacts/collect"
        return api.decode(api.Collected, self._transport.json("POST", path, query={"grace_s": grace_s}))

    def _get(self, path: str, **query: Any) -> Any:
        return self._transport.json("GET", _PREFIX + path, query=query)
