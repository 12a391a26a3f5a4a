"""Why a workload is not let in.

FalajError
├── PeerRefusedError          the certificate does not prove a workload of ours  (401 workload.certificate)
├── TokenRefusedError         the enrolment token is not good                    (401 workload.token, .token-used)
├── UsageError
│   └── RequestRefusedError   the request for a certificate cannot be signed     (400 workload.request)
├── NotFoundError
│   └── UnknownLocationError  platform.yaml names no such location               (404 workload.location)
├── ConflictError
│   └── EnrolmentError        the location is not, or cannot be, enrolled        (409 workload.enrolment)
└── IntegrityError
    └── AuthorityError        the authority's file, or what it signed, is wrong  (422 workload.authority)
"""

from __future__ import annotations

from falaj.core.errors import ConflictError, FalajError, IntegrityError, NotFoundError, UsageError


class PeerRefusedError(FalajError):
    """A certificate that does not prove a workload of this installation."""

    code, status, exit_code = "workload.certificate", 401, 2


class EnrolmentRefusedError(FalajError):
    """An enrolment token that is unknown, expired, used, or for another location."""

    code, status, exit_code = "workload.token", 401, 2


class RequestRefusedError(UsageError):
    """A certificate signing request that is not one, or asks for a key that is not signed for."""

    code = "workload.request"


class UnknownLocationError(NotFoundError):
    """No location of this name is configured."""

    code = "workload.location"


class EnrolmentError(ConflictError):
    """The location is not enrolled, or cannot be."""

    code = "workload.enrolment"


class AuthorityError(IntegrityError):
    """The certificate authority is not the expected one, or its file is damaged."""

    code = "workload.authority"
