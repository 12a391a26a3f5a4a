"""Why a platform file is not applied although it is valid."""

from __future__ import annotations

from falaj.core.errors import ConflictError, FalajError


class PlatformInUseError(ConflictError):
    """The file takes away an environment or location, or moves one, where endpoints still serve."""

    code = "platform.in-use"


class PlatformChangedError(ConflictError):
    """Another apply came between the plan and this one."""

    code = "platform.changed"


class PersonNeededError(FalajError):
    """The file asks for less than before, and no person is there to answer for it."""

    code, status, exit_code = "platform.person-needed", 403, 7
