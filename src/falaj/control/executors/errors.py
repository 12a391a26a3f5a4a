"""Why a machine of an executor is refused.

FalajError
└── ConflictError
    └── OrderRefusedError    the machine does not hold the order, or asks for more than it names  (409 step-order.lease)
"""

from __future__ import annotations

from falaj.core.errors import ConflictError


class OrderRefusedError(ConflictError):
    """The machine does not hold this order (`step-order.lease`), or the order is of other things (`.artifact`)."""

    code = "step-order.lease"
