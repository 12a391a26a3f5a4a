"""The platform's settings: what holds, what a file would change, making it so, and what has drifted since."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from falaj.api.authorization import Caller
from falaj.api.drift import surroundings
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.config.platform_file import PlatformFile, parse_platform
from falaj.config.platform_spec import PlatformSpec
from falaj.schemas import api
from falaj.schemas import platform as documents
from falaj.storage.settings_tables import SettingsRow
from falaj.supply_chain.attestations import SigningRole, open_keyring
from falaj.trust import configuration, settings

router = APIRouter(prefix="/api/v1/platform", tags=["settings"])

FileName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
PolicyText = Annotated[str, StringConstraints(max_length=256 * 1024)]

_VERSIONS = paged("-version", {"version": (SettingsRow.version,)})


class SentFile(BaseModel):
    """A platform file with the policies that it names, by the paths that it names them by."""

    model_config = ConfigDict(extra="forbid")
    name: FileName = "platform.yaml"
    text: Annotated[str, StringConstraints(max_length=1_000_000)]
    policies: dict[FileName, PolicyText] = Field(default={}, max_length=100)

    def parsed(self) -> PlatformFile:
        """The file, checked again: what a client checked is no reason to believe it."""
        return parse_platform(self.text.encode(), self.name, self._policy)

    def _policy(self, path: str) -> str:
        if path not in self.policies:
            raise ValueError("it was not sent with the file")
        return self.policies[path]


class ApplyRequest(SentFile):
    """A platform file to apply; with `base`, only while that version holds."""

    base: int | None = None


@router.get("", response_model=documents.SettingsInForce, **action(Action.READ))
def show(platform: Shared) -> documents.SettingsInForce:
    """What holds; version 0 with the defaults before the first apply."""
    with platform.database.reading() as session:
        row = settings.newest(session)
    if row is None:
        spec = PlatformSpec.default()
        return documents.SettingsInForce(0, settings.digest(spec), "", None, spec.to_json(), "", {})
    return documents.SettingsInForce(row.version, row.digest, row.actor, row.at, row.spec, row.text, row.envelope)


@router.get("/versions", response_model=list[documents.SettingsVersion], **action(Action.READ))
def versions(platform: Shared, page: Annotated[Paging, Depends(_VERSIONS)]) -> list[documents.SettingsVersion]:
    """The applied versions, the newest first."""
    with platform.database.reading() as session:
        return [_version(row) for row in page.rows(session, select(SettingsRow))]


@router.post("/plan", response_model=documents.SettingsPlan, **action(Action.READ))
def plan(file: SentFile, platform: Shared) -> documents.SettingsPlan:
    """What applying a file would change, or why it would be refused."""
    spec, keys = file.parsed().spec, settings.fingerprints(platform.home.keys)
    with platform.database.reading() as session:
        return _plan(configuration.plan(session, spec, keys))


@router.post("/apply", response_model=documents.SettingsPlan, **action(Action.MANAGE_PLATFORM))
def apply(body: ApplyRequest, caller: Caller, platform: Shared) -> documents.SettingsPlan:
    """Make a file the one that holds: a new version with signed evidence, unless it changes nothing.

    What asks for less than before needs a person who has just proved who it is; what asks for more does not.
    """
    file, origin, now = body.parsed(), _origin(platform, body), platform.now()
    with platform.database.transaction() as session:
        planned = configuration.plan(session, file.spec, origin.keys)
        configuration.require_person(caller, planned.differences, now)
        checked = origin if origin.base is not None else replace(origin, base=planned.version)
        return _plan(configuration.apply(session, file.spec, caller.id, now, checked))


@router.get("/drift", response_model=documents.Drift, **action(Action.READ))
def drift(platform: Shared) -> documents.Drift:
    """What is not as it was applied, looked at now."""
    host_state, now = surroundings(platform.home), platform.now()
    with platform.database.reading() as session:
        findings = settings.look(session, host_state, now)
    return documents.Drift(now, [api.decode(documents.DriftFinding, asdict(each)) for each in findings])


def _origin(platform: Platform, body: ApplyRequest) -> configuration.SettingsOrigin:
    signer = open_keyring(platform.home.keys).signer(SigningRole.PLATFORM)
    return configuration.SettingsOrigin(body.text, signer, settings.fingerprints(platform.home.keys), body.base)


def _plan(applied: configuration.AppliedVersion) -> documents.SettingsPlan:
    return documents.SettingsPlan(applied.version, [_difference(asdict(each)) for each in applied.differences])


def _version(row: SettingsRow) -> documents.SettingsVersion:
    differences = [_difference(each) for each in row.differences]
    return documents.SettingsVersion(row.version, row.digest, row.actor, row.at, differences)


def _difference(value: dict[str, Any]) -> documents.SettingDifference:
    return api.decode(documents.SettingDifference, value)
