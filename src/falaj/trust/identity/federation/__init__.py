"""Other proofs of identity than a password: an OpenID Connect provider, and security keys by WebAuthn.

A login by the provider ends in a session of `governance.identity`; a security key's answer is a fresh proof for it,
bound to the one statement that is approved.
"""

from falaj.trust.identity.federation import security_keys
from falaj.trust.identity.federation.errors import NoProviderError
from falaj.trust.identity.federation.logins import LOGIN_S, Logins, RedirectResponse, StartedLogin
from falaj.trust.identity.federation.provider import Provider, ProviderSettings, published_keys
from falaj.trust.identity.federation.security_keys import RelyingParty
from falaj.trust.identity.federation.step_up import WEBAUTHN, Asserted, begin_step_up, finish_step_up, require_asserted
from falaj.trust.identity.federation.web import Web

__all__ = [
    "LOGIN_S",
    "WEBAUTHN",
    "Asserted",
    "Logins",
    "NoProviderError",
    "Provider",
    "ProviderSettings",
    "RedirectResponse",
    "RelyingParty",
    "StartedLogin",
    "Web",
    "begin_step_up",
    "finish_step_up",
    "published_keys",
    "require_asserted",
    "security_keys",
]
