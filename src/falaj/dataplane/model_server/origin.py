"""Where a request came from: what of it goes into the prediction log beside rows and answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from falaj.dataplane.prediction_log.routing import SHADOW, flags_of, is_shadow_host, pseudonym_of, unit_numbers


class Origin(NamedTuple):
    """The facts of one request; see `predictionlog.routing`.

    Args:
        started: `time.perf_counter()` at its arrival.
        flags: Arm, forced, shadow.
        weight: Canary weight in force, in 1/10,000.
        unit: Number of its sticky unit.
        caller: Pseudonym of who asks; None where the gateway asked nobody.
    """

    started: float
    flags: int = 0
    weight: int | None = None
    unit: int | None = None
    caller: str | None = None

    def facts(self, now: float) -> tuple[int | str | None, ...]:
        """What the log holds of it.

        Args:
            now: `time.perf_counter()` when it is answered.
        """
        facts = self.flags, self.weight, self.unit, int((now - self.started) * 1e6)
        return facts if self.caller is None else (*facts, self.caller)


def origins(endpoint: str) -> Callable[[Any, float], Origin]:
    """What reads the origin of a request from its headers and the time of its arrival.

    Args:
        endpoint: `environment/model`.
    """
    number = unit_numbers(endpoint)

    def origin(headers: Any, started: float) -> Origin:
        arm, unit, host = headers.get("falaj-arm"), headers.get("falaj-unit"), headers.get("host")
        flags, weight = (0, None) if arm is None else flags_of(arm)
        if host is not None and is_shadow_host(host):
            flags |= SHADOW
        caller = headers.get("falaj-caller")
        return Origin(started, flags, weight, number(unit) if unit else None, caller and pseudonym_of(caller))

    return origin
