"""How recent a proof of identity must be for what matters most."""

from __future__ import annotations

from falaj.core.principal import Principal
from falaj.trust.identity.errors import StepUpNeededError

FRESH_S = 300.0
"""How old the last proof of a person may be, seconds."""

_CLOCK_SKEW_S = 5.0


def require_recent_login(principal: Principal, purpose: str, now: float) -> None:
    """Refuse a person whose last proof of identity is older than five minutes, or lies in the future.

    Args:
        principal: Who asks.
        purpose: What for, as the refusal says it.
        now: Unix seconds.

    Raises:
        StepUpNeededError: It is, or there is none.
    """
    if principal.step_up_at is None or not -_CLOCK_SKEW_S <= now - principal.step_up_at <= FRESH_S:
        raise StepUpNeededError(purpose)
