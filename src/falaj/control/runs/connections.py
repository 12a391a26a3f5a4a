"""Connections for runs: what the platform file permits, with secrets that are read when a source is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from falaj.build.pipeline.connections import OpenConnection
from falaj.config.connections import ConnectionSecretError, ConnectionSpec, connection_of, require_permitted
from falaj.config.platform_file import load_platform
from falaj.config.platform_spec import PlatformSpec
from falaj.config.secret_stores import SecretReference
from falaj.config.spec import ProjectSpec, SourceSpec
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.integrations.secret_stores import StoredSecret, read_secrets
from falaj.storage import Database
from falaj.supply_chain.encryption import home_scope
from falaj.trust import settings
from falaj.trust.secrets import Vault, platform_secret


@dataclass(frozen=True)
class PlatformConnections:
    """The connections of an installation, for one project.

    Args:
        database: Has the platform file that was applied, and the secrets.
        vault: Opens the secrets.
        project: For which project.
    """

    database: Database
    vault: Vault
    project: str

    def open(self, source: SourceSpec) -> OpenConnection | None:
        """The connection of a source with its secrets; None for a source that needs none.

        Raises:
            UnknownConnectionError: There is none of that name.
            ConnectionForbiddenError: It is not for this project, or not for this data.
            ConnectionSecretError: A secret is not set.
        """
        with self.database.reading() as session:
            spec, platform = self._permitted(session, source), settings.current(session)
            if spec is None:
                return None
            stores = {platform.secrets[name].store for name in spec.secrets.values() if name in platform.secrets}
            needed = {*spec.secrets.values(), *(platform.secret_stores[each].secret for each in stores)} - {""}
            values = {name: platform_secret(session, self.vault, name) for name in needed - platform.secrets.keys()}
        return open_connection(spec, platform, values, "falaj platform secret set {name}")

    def refusal(self, project_spec: ProjectSpec) -> str:
        """Why the sources of a project file may not be read; empty when they may. Nothing is asked of other systems."""
        with self.database.reading() as session:
            for source in project_spec.data.values():
                try:
                    self._permitted(session, source)
                except FalajError as error:
                    return str(error)
        return ""

    def _permitted(self, session: Session, source: SourceSpec) -> ConnectionSpec | None:
        spec = connection_of(source, settings.current(session).connections)
        if spec is not None:
            require_permitted(spec, source, self.project, self.vault.scope.jurisdiction)
        return spec


@dataclass(frozen=True)
class CheckoutConnections:
    """The connections of a run of a checkout: those of the platform file beside it, secrets in variables.

    Args:
        home: Whose platform file it is: `FALAJ_PLATFORM_FILE`, or `platform.yaml` in its folder.
    """

    home: Home

    def open(self, source: SourceSpec) -> OpenConnection | None:
        """The connection of a source with its secrets; None for a source that needs none.

        Raises:
            UnknownConnectionError: There is none of that name.
            ConnectionForbiddenError: It is not for this data.
            ConnectionSecretError: A variable is not set.
            PlatformFileError: The platform file is wrong.
        """
        path = platform_file(self.home)
        platform = load_platform(path).spec if path.exists() else PlatformSpec.default()
        spec = connection_of(source, platform.connections)
        if spec is None:
            return None
        require_permitted(spec, source, None, home_scope(self.home.settings).jurisdiction)
        hint = "export {name}=..., as steps of `falaj run` get theirs"
        return open_connection(spec, platform, os.environ, hint)


def platform_file(home: Home) -> Path:
    """The file that the installation is held against: `FALAJ_PLATFORM_FILE`, or platform.yaml in its folder."""
    return Path(home.settings.get("FALAJ_PLATFORM_FILE") or home.root / "platform.yaml")


def watch_of(source: SourceSpec) -> dict[str, str]:
    """What a release remembers of a source, so that a look at it is permitted as a reading is."""
    return {"classification": source.classification, "origin": source.origin, "watch": source.watch}


def open_connection(
    spec: ConnectionSpec, platform: PlatformSpec, values: Mapping[str, str | None], hint: str
) -> OpenConnection:
    """A connection with its secrets: those that are kept here, and those that stores are asked for now.

    Args:
        spec: The connection.
        platform: Says which secret is in which store.
        values: Secrets that are kept here, by their names.
        hint: How one is set that is not, with `{name}`.

    Raises:
        ConnectionSecretError: One is not set.
        SecretStoreError: A store refuses.
        MissingStoredSecretError: A store does not have one.
        SecretStoreAwayError: A store does not answer.
    """
    references = {name: platform.secrets[name] for name in spec.secrets.values() if name in platform.secrets}
    stored: dict[SecretReference, StoredSecret] = {}
    for store in sorted({each.store for each in references.values()}):
        store_spec = platform.secret_stores[store]
        credential = _required(spec, store_spec.secret, values, hint) if store_spec.secret else ""
        stored |= read_secrets(store_spec, [each for each in references.values() if each.store == store], credential)
    secrets, versions = {}, {}
    for purpose, name in spec.secrets.items():
        if name in references:
            secret = stored[references[name]]
            secrets[purpose], versions[purpose] = secret.value, f"{references[name]} version {secret.version}"
        else:
            secrets[purpose] = _required(spec, name, values, hint)
    return OpenConnection(spec, secrets, versions)


def _required(spec: ConnectionSpec, name: str, values: Mapping[str, str | None], hint: str) -> str:
    value = values.get(name)
    if value is None:
        raise ConnectionSecretError(
            f"the secret {name} is not set", where=f"connections.{spec.name}", hint=hint.format(name=name)
        )
    return value
