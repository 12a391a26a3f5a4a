"""What can go wrong between a machine of an executor and the server.

FalajError
├── UsageError
│   ├── JoinTokenError         what was passed as a token is none              (executor.token)
│   └── MachineHomeError       the home lies where steps could read it         (executor.home)
├── UnavailableError
│   └── ServerAwayError        the server does not answer, or not now          (executor.server-away)
└── ConflictError
    ├── OrderGoneError         the server says that the order is not ours      (executor.order-gone)
    └── MachineRunningError    the home has a worker already                   (executor.running)
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, UnavailableError, UsageError


class JoinTokenError(UsageError):
    """The token is not one of `falaj platform executor enroll`."""

    code = "executor.token"


class MachineHomeError(UsageError):
    """The folder of the machine lies below something that steps read."""

    code = "executor.home"


class ServerAwayError(UnavailableError):
    """The server does not answer, or cannot now; asking again may help."""

    code = "executor.server-away"


class OrderGoneError(ConflictError):
    """The server refuses: another attempt has taken the order's place, or it never was this machine's."""

    code = "executor.order-gone"


class MachineRunningError(ConflictError):
    """Another process works for this home."""

    code = "executor.running"
