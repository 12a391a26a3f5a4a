"""Why a certificate is not believed.

FalajError
├── PeerRefusedError          the certificate does not prove a workload of ours  (401 workload.certificate)
├── UsageError
│   └── RequestRefusedError   the request for a certificate cannot be signed     (400 workload.request)
└── IntegrityError
    └── AuthorityError        the authority's file, or what it signed, is wrong  (422 workload.authority)
"""

from __future__ import annotations

from falaj.core.errors import FalajError, IntegrityError, UsageError


class PeerRefusedError(FalajError):
    """A certificate that does not prove a workload of this installation."""

    code, status, exit_code = "workload.certificate", 401, 2


class RequestRefusedError(UsageError):
    """A certificate signing request that is not one, or asks for a key that is not signed for."""

    code = "workload.request"


class AuthorityError(IntegrityError):
    """The certificate authority is not the expected one, or its file is damaged."""

    code = "workload.authority"
