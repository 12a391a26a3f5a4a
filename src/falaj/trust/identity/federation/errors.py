"""Why a login by an identity provider, or a security key, is not accepted.

FalajError
├── RefusedError
│   ├── FederatedLoginError  the provider's answer does not hold   (401 federation.refused, .state, .code)
│   │   └── TokenRefusedError  nor does its token                  (401 federation.token)
│   └── SecurityKeyError     the security key's answer does not hold (401 security-key.refused, .counter)
├── StepUpNeededError
│   └── AssertionNeededError the key signed for something else      (403 security-key.assertion-needed)
├── FederationBusyError      too many logins have been begun        (429 federation.busy)
├── NotFoundError
│   └── NoProviderError      no identity provider is configured     (404 federation.no-provider)
├── UsageError
│   └── ReturnAddressError   a login may not return to this address (400 federation.return-address)
└── UnavailableError
    └── ProviderError        the provider cannot be used            (503 federation.provider)
"""

from __future__ import annotations

from falaj.core.errors import FalajError, NotFoundError, UnavailableError, UsageError
from falaj.trust.identity.errors import RefusedError, StepUpNeededError


class FederatedLoginError(RefusedError):
    """What came back from the identity provider proves nothing."""

    code = "federation.refused"


class TokenRefusedError(FederatedLoginError):
    """The provider's token does not hold, or was not made for this login."""

    code = "federation.token"


class SecurityKeyError(RefusedError):
    """What a security key answered proves nothing."""

    code = "security-key.refused"


class AssertionNeededError(StepUpNeededError):
    """The last proof was a security key's, and it was given for something else."""

    code = "security-key.assertion-needed"


class FederationBusyError(FalajError):
    """More logins have been begun than the platform keeps."""

    code, status, exit_code = "federation.busy", 429, 6


class NoProviderError(NotFoundError):
    """People do not come from an identity provider here."""

    code = "federation.no-provider"


class ReturnAddressError(UsageError):
    """An address of somebody else, to which a login would be handed over."""

    code = "federation.return-address"


class ProviderError(UnavailableError):
    """The identity provider does not answer, or not as one."""

    code = "federation.provider"
