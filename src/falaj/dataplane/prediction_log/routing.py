"""How a request came to a release: the facts of its routing, as the gateway tells them and as a record keeps them.

The gateway says in the header `falaj-arm` what it knew when it chose: `candidate;w=500`, `stable;w=500`,
`stable;baseline;w=500` or `forced`, with the canary weight in force in 1/10,000. It overwrites the header, so clients
cannot set it. A mirrored request has the host of the original with `-shadow` behind its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from falaj.core.ids import parse_number

TOTAL_WEIGHT = 10_000
MAX_CALLER = 64
"""Characters of a caller's pseudonym."""
STABLE, CANDIDATE, FORCED, SHADOW, BASELINE = 1, 2, 4, 8, 16
"""Flags of a record."""

_FLAGS = {"stable": STABLE, "candidate": CANDIDATE, "forced": FORCED, "baseline": BASELINE}
_SHADOW_HOST = "-shadow"


@dataclass(frozen=True, slots=True)
class Routing:
    """The facts of one record.

    Args:
        arm: `stable`, `canary`, or `shadow` for a copy whose answer nobody got; empty where the gateway said nothing.
        weight: Canary weight in force when the request was routed, in 1/10,000; None when there was none.
        forced: A match sent the request here whatever the weights, so it is not in the statistics.
        unit: Number of the sticky unit, the same for the same unit of an endpoint; None without one.
        latency_s: From the request's arrival at the replica to its answer, in seconds; None in older records.
        baseline: Whether the replica is one of those that another release is judged against.
        caller: Pseudonym of who asked; None where the gateway asked nobody.
    """

    arm: str = ""
    weight: int | None = None
    forced: bool = False
    unit: int | None = None
    latency_s: float | None = None
    baseline: bool = False
    caller: str | None = None

    @property
    def shadow(self) -> bool:
        """Whether nobody got the answer."""
        return self.arm == "shadow"


UNKNOWN = Routing()
"""Of a record that says nothing of it."""


@lru_cache(maxsize=1024)
def flags_of(arm: str) -> tuple[int, int | None]:
    """What the header `falaj-arm` says: flags, and the weight.

    Args:
        arm: Its value; what is not understood is passed over.
    """
    flags, weight = 0, None
    for part in arm.split(";"):
        word = part.strip()
        flags |= _FLAGS.get(word, 0)
        parsed_weight = parse_number(word[2:]) if word.startswith("w=") else None
        weight = parsed_weight if parsed_weight is not None and parsed_weight <= TOTAL_WEIGHT else weight
    return flags, weight


@lru_cache(maxsize=1024)
def is_shadow_host(host: str) -> bool:
    """Whether the gateway marked a request as a copy; it puts the mark behind the name and before a port."""
    name, colon, port = host.rpartition(":")
    return host.endswith(_SHADOW_HOST) or (bool(colon) and port.isdecimal() and name.endswith(_SHADOW_HOST))


def pseudonym_of(caller: str) -> str:
    """The pseudonym in the header `falaj-caller`, which is that of a token or the whole name in a certificate."""
    return caller.rpartition("/")[2][:MAX_CALLER]


def unit_numbers(endpoint: str) -> Callable[[str], int]:
    """What gives a sticky unit of an endpoint its number, so that the log does not hold who it was.

    The same unit has unrelated numbers at two endpoints. Whoever can guess the unit can compute its number: it is a
    pseudonym, and as personal as the unit is.

    Args:
        endpoint: `environment/model`.
    """
    key = hashlib.blake2b(endpoint.encode(), digest_size=32).digest()
    keyed = hashlib.blake2b(digest_size=8, key=key)

    def number(unit: str) -> int:
        digest = keyed.copy()
        digest.update(unit.encode("utf-8", "surrogateescape"))
        return int.from_bytes(digest.digest(), "little")

    return number


Facts = Sequence[Any]
"""Flags, weight, unit and latency in microseconds, as a record holds them; and the caller, where there is one."""


def routing_of(facts: Facts | None) -> Routing:
    """Read what a record holds.

    Args:
        facts: None in records from before there were any.
    """
    if not facts:
        return UNKNOWN
    flags, weight, unit, latency_us, *caller = facts
    arm = "shadow" if flags & SHADOW else "candidate" if flags & CANDIDATE else "stable" if flags & STABLE else ""
    latency_s = None if latency_us is None else latency_us / 1e6
    return Routing(arm, weight, bool(flags & FORCED), unit, latency_s, bool(flags & BASELINE), *caller)
