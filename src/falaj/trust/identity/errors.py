"""Why someone is not believed, or may not be registered.

FalajError
├── RefusedError           the proof does not hold                        (401 identity.refused, .link, .otp-needed)
├── TooManyAttemptsError   too many failed proofs; wait                   (429 identity.too-many-attempts)
├── StepUpNeededError      the person must prove again who it is          (403 identity.step-up-needed)
├── UsageError
│   └── IdentityInputError a name, address, password or scope is not allowed  (400 identity.input)
├── NotFoundError
│   └── UnknownIdentityError  no such account, token or key               (404 identity.unknown)
└── ConflictError
    └── IdentityTakenError what must be unique is taken                   (409 identity.taken, .key-taken)
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, FalajError, NotFoundError, UsageError


class RefusedError(FalajError):
    """The proof of identity does not hold; the message never says which part of it."""

    code, status, exit_code = "identity.refused", 401, 2


class TooManyAttemptsError(FalajError):
    """Too many proofs of this name failed."""

    code, status, exit_code = "identity.too-many-attempts", 429, 6

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many failed attempts for this name", hint=f"try again in {round(wait_s) + 1} s")


class StepUpNeededError(FalajError):
    """The last proof of who acts is too old for this."""

    code, status, exit_code = "identity.step-up-needed", 403, 2

    def __init__(self, purpose: str) -> None:
        super().__init__(f"{purpose} needs a fresh proof of who you are", hint="falaj login, then again")


class IdentityInputError(UsageError):
    """A name, address, password or scope that is not allowed."""

    code = "identity.input"


class UnknownIdentityError(NotFoundError):
    """No account, token or key of this name."""

    code = "identity.unknown"


class IdentityTakenError(ConflictError):
    """A name, address or key that belongs to someone else."""

    code = "identity.taken"
