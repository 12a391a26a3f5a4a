"""The notary: the one process that signs what came of a run, and opens data keys for the worker.

The worker starts code of projects and holds no key. It asks by typed requests over a socket that it inherited, and the
notary signs what it has recomputed from the store by digest, or what says of itself that the worker claims it
(`docs/decisions/0046`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.control.notary.attestation import Attestation, GateClaim, ScoredTable
    from falaj.control.notary.client import NotaryClient, inherited
    from falaj.control.notary.data_keys import NotaryChest
    from falaj.control.notary.errors import DoesNotRecomputeError, NotBelievableError
    from falaj.control.notary.service import Notary, Office, open_office

__all__ = [
    "Attestation",
    "DoesNotRecomputeError",
    "GateClaim",
    "NotBelievableError",
    "Notary",
    "NotaryChest",
    "NotaryClient",
    "Office",
    "ScoredTable",
    "inherited",
    "open_office",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "attestation": "Attestation GateClaim ScoredTable",
        "client": "NotaryClient inherited",
        "data_keys": "NotaryChest",
        "errors": "DoesNotRecomputeError NotBelievableError",
        "service": "Notary Office open_office",
    },
)
