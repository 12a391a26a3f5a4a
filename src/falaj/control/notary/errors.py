"""What the notary refuses.

FalajError
├── IntegrityError
│   ├── DoesNotRecomputeError   a statement is not what its digests give            (notary.does-not-recompute)
│   └── NotBelievableError      a verifier would not believe it                     (notary.not-believable)
└── UnavailableError
    └── NotaryAwayError         nobody answers                                      (notary.away)
"""

from __future__ import annotations

from falaj.core.errors import IntegrityError, UnavailableError


class DoesNotRecomputeError(IntegrityError):
    """A statement that the worker asks a signature for is not what the notary finds itself."""

    code = "notary.does-not-recompute"


class NotBelievableError(IntegrityError):
    """What the worker asks to be signed holds, and no verifier would believe a release with it."""

    code = "notary.not-believable"


class NotaryAwayError(UnavailableError):
    """The notary does not answer."""

    code = "notary.away"
