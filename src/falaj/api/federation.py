"""The identity provider of the settings that hold now, and the platform as browsers know it."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from falaj.core.egress import EgressRules
from falaj.core.errors import UnavailableError
from falaj.core.home import Home
from falaj.storage import Database
from falaj.trust import settings
from falaj.trust.identity import federation

PREFIX = "/api/v1/auth/oidc"


class SecretExposedError(UnavailableError):
    """Others than the owner may read the platform's secret at the provider."""

    code = "federation.secret-exposed"


@dataclass(frozen=True)
class Federation:
    """Logins by the provider of an installation, which may change while the server runs.

    Args:
        home: Of the installation.
        database: With its settings.
    """

    home: Home
    database: Database
    _providers: dict[tuple[federation.ProviderSettings, EgressRules], federation.Provider] = field(default_factory=dict)

    def logins(self) -> federation.Logins:
        """The logins by the provider that is configured now.

        Raises:
            NoProviderError: None is.
            SecretExposedError: The file of the platform's secret is open to others.
        """
        provider_settings = self._settings()
        rules = self._rules(provider_settings)
        provider = self._providers.setdefault(
            (provider_settings, rules), federation.Provider(provider_settings, federation.Web(rules=rules))
        )
        return federation.Logins(self.database, provider, f"{self.home.public_url}{PREFIX}/callback")

    @property
    def party(self) -> federation.RelyingParty:
        """The platform, as security keys know it."""
        return federation.RelyingParty.at(self.home.public_url)

    def _rules(self, provider_settings: federation.ProviderSettings) -> EgressRules:
        """The platform file names the issuer, which may be in a private network; what the issuer names is judged."""
        issuer = urlsplit(provider_settings.issuer).hostname or ""
        with self.database.reading() as session:
            rules = settings.egress(session)
        return replace(rules, private=(issuer, *rules.private))

    def _settings(self) -> federation.ProviderSettings:
        with self.database.reading() as session:
            oidc_settings = settings.current(session).identity.get("oidc")
        if not oidc_settings:
            raise federation.NoProviderError(
                "no identity provider is configured", hint="identity.oidc of platform.yaml; falaj platform apply"
            )
        return federation.ProviderSettings(
            oidc_settings["issuer"],
            oidc_settings["client_id"],
            oidc_settings.get("group_claim", "groups"),
            self._secret(),
        )

    def _secret(self) -> str:
        path = self.home.oidc_secret
        if not path.exists():
            return ""
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SecretExposedError(f"others may read {path.name} of the installation", hint=f"chmod 600 {path}")
        return path.read_text().strip()
