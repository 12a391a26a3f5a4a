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
from falaj.config.spec import ProjectSpec, SourceSpec
from falaj.core.errors import FalajError
from falaj.core.home import Home
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
            spec = self._permitted(session, source)
            if spec is None:
                return None
            values = {name: platform_secret(session, self.vault, name) for name in spec.secrets.values()}
        return OpenConnection(spec, _required(spec, values, "falaj platform secret set {name}"))

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
        connections = load_platform(path).spec.connections if path.exists() else {}
        spec = connection_of(source, connections)
        if spec is None:
            return None
        require_permitted(spec, source, None, home_scope(self.home.settings).jurisdiction)
        values = {name: os.environ.get(name) for name in spec.secrets.values()}
        return OpenConnection(spec, _required(spec, values, "export {name}=..., as steps of `falaj run` get theirs"))


def platform_file(home: Home) -> Path:
    """The file that the installation is held against: `FALAJ_PLATFORM_FILE`, or platform.yaml in its folder."""
    return Path(home.settings.get("FALAJ_PLATFORM_FILE") or home.root / "platform.yaml")


def watch_of(source: SourceSpec) -> dict[str, str]:
    """What a release remembers of a source, so that a look at it is permitted as a reading is."""
    return {"classification": source.classification, "origin": source.origin, "watch": source.watch}


def _required(spec: ConnectionSpec, values: Mapping[str, str | None], hint: str) -> dict[str, str]:
    """The secrets of a connection by what they are for."""
    for name, value in values.items():
        if value is None:
            raise ConnectionSecretError(
                f"the secret {name} is not set", where=f"connections.{spec.name}", hint=hint.format(name=name)
            )
    return {purpose: values[name] or "" for purpose, name in spec.secrets.items()}
