"""The notary: the one process that signs what came of a run, and opens data keys for the worker.

The worker starts code of projects and holds no key. It asks by typed requests over a socket that it inherited, and the
notary signs what it has recomputed from the store by digest, or what says of itself that the worker claims it
(`docs/decisions/0046`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from falaj.control.notary.attestation import Attestation, GateClaim, ScoredTable
    from falaj.control.notary.client import NotaryClient, inherited
    from falaj.control.notary.data_keys import NotaryChest
    from falaj.control.notary.errors import DoesNotRecomputeError, NotBelievableError
    from falaj.control.notary.service import Notary, Office, open_office

_WHERE = {
    "Attestation": "attestation",
    "DoesNotRecomputeError": "errors",
    "GateClaim": "attestation",
    "NotBelievableError": "errors",
    "Notary": "service",
    "NotaryChest": "data_keys",
    "NotaryClient": "client",
    "Office": "service",
    "ScoredTable": "attestation",
    "inherited": "client",
    "open_office": "service",
}

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


def __getattr__(name: str) -> Any:
    """Import the module that defines `name` only when it is asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
