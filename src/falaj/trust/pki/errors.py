"""Why a location is not enrolled.

FalajError
├── EnrolmentRefusedError     the enrolment token is not good                    (401 workload.token, .token-used)
├── NotFoundError
│   ├── UnknownLocationError  platform.yaml names no such location               (404 workload.location)
│   └── UnknownExecutorError  platform.yaml names no such executor               (404 workload.executor)
└── ConflictError
    └── EnrolmentError        the location is not, or cannot be, enrolled        (409 workload.enrolment)
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, FalajError, NotFoundError


class EnrolmentRefusedError(FalajError):
    """An enrolment token that is unknown, expired, used, or for another location."""

    code, status, exit_code = "workload.token", 401, 2


class UnknownLocationError(NotFoundError):
    """No location of this name is configured."""

    code = "workload.location"


class UnknownExecutorError(NotFoundError):
    """No executor of this name is configured."""

    code = "workload.executor"


class EnrolmentError(ConflictError):
    """The location is not enrolled, or cannot be."""

    code = "workload.enrolment"
