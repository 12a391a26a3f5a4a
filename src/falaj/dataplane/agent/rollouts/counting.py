"""From lines of the access log to what the analysis counts (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from falaj.dataplane.access_log import Access
from falaj.dataplane.agent.rollouts.blocks import failed, rows_of
from falaj.dataplane.agent.rollouts.liveness import LEAST_WAIT_S, Vitals
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.statistics.rollout import WHOLE, pair_of
from falaj.statistics.rollout.analysis import Batch
from falaj.statistics.rollout.judging import MIN_PAST

CLIENT_WENT = "DC"
"""Envoy's flag of a request whose client left before the answer.

That says nothing about the release, unless the client has waited for as long as a request may take.
"""
Once = Callable[[Sequence[Access]], Sequence[Access]]
"""Leaves one request of each unit."""


def by_endpoint(accesses: Sequence[Access]) -> Mapping[str, list[Access]]:
    """The lines of each endpoint, in order."""
    grouped: dict[str, list[Access]] = {}
    for access in accesses:
        if access.endpoint and not access.is_feedback:
            grouped.setdefault(access.endpoint, []).append(access)
    return grouped


def latencies(accesses: Sequence[Access], endpoint: str, release: int) -> list[float]:
    """Milliseconds of the answers of one release of an endpoint."""
    return [
        access.latency_ms
        for access in by_endpoint(accesses).get(endpoint, ())
        if access.release == release and not failed(access)
    ]


def rate(accesses: Sequence[Access], endpoint: str) -> float | None:
    """Requests a second to an endpoint; None where too few are known to tell."""
    began = [access.at for access in by_endpoint(accesses).get(endpoint, ())]
    lasted = max(began) - min(began) if len(began) >= MIN_PAST else 0.0
    return len(began) / lasted if lasted else None


def longest_wait_s(latency_ms: Sequence[float]) -> float:
    """So long a request may take until it counts as not answered: 20 times what 99 of 100 took in the past."""
    finite = [each for each in latency_ms if np.isfinite(each)]
    usual_s = float(np.quantile(finite, 0.99)) / 1000 if len(finite) >= MIN_PAST else 0.0
    return max(LEAST_WAIT_S, 20 * usual_s)


def failures(accesses: Sequence[Access], release: int, share: float = 1.0) -> int:
    """How many requests a release did not answer, of those that its callers waited for.

    Args:
        accesses: Requests of one endpoint.
        release: Its number.
        share: Of the requests, 0..1, that is looked at: the ids choose which. A shadow that gets a tenth of the
            requests is compared with a tenth of the failures of the stable release.
    """
    mine = (each for each in accesses if each.release == release and _fair(each) and failed(each))
    return sum(1 for each in mine if _chosen(each, share))


def counted(record: RolloutRecord, accesses: Sequence[Access], now: float, once: Once = list) -> RolloutRecord:
    """The record after counting requests of its endpoint.

    Requests that were sent to a release by a header or another rule say nothing about a random sample, and those whose
    client left soon say nothing about the release: neither is judged. Who waited in vain got no answer.

    Args:
        record: Of the rollout.
        accesses: Requests of its endpoint, in order.
        now: Unix seconds.
        once: Leaves of the requests that can be judged those that are observations of their own.
    """
    plan = record.plan
    both = (plan.stable, plan.candidate)
    mine = [access for access in accesses if access.candidate == plan.candidate and access.release in both]
    if not mine:
        return record
    rolled = sum(access.release == plan.candidate for access in mine)
    answered = (record.answered[0] + len(mine) - rolled, record.answered[1] + rolled)
    fair = [access for access in mine if _fair(access) or _waited_in_vain(access, record.longest_wait_s, now)]
    record = replace(record, answered=answered, vitals=_vitals(record, fair))
    first_accesses = once(fair)
    if record.analysis is None or not first_accesses:
        return record
    rows = rows_of(plan, pair_of(plan, record.rollout), first_accesses)
    return replace(
        record,
        analysis=record.analysis.update(_batch(record, first_accesses), now),
        blocks=record.blocks.add(rows, now) if record.analysis.blocks else record.blocks,
    )


def _vitals(record: RolloutRecord, accesses: Sequence[Access]) -> Vitals:
    candidate = [access for access in accesses if access.release == record.plan.candidate]
    others = [access for access in accesses if access.release == record.plan.stable]
    return record.vitals.after(candidate, others)


def _batch(record: RolloutRecord, accesses: Sequence[Access]) -> Batch:
    return Batch(
        candidate=np.array([access.release == record.plan.candidate for access in accesses], dtype=bool),
        weight=np.array([access.weight / WHOLE for access in accesses]),
        error=np.array([failed(access) for access in accesses], dtype=bool),
        latency_ms=np.array([access.latency_ms for access in accesses], dtype=float),
        burn_in=np.array([access.at < record.judged_from_s for access in accesses], dtype=bool),
    )


def _fair(access: Access) -> bool:
    """Whether chance alone decided which release was asked, and the release alone how it ended."""
    return not access.forced and CLIENT_WENT not in access.flags


def _waited_in_vain(access: Access, longest_wait_s: float, now: float) -> bool:
    """Whether a client left after as long as a request may take; lines are read soon after they were written."""
    return not access.forced and CLIENT_WENT in access.flags and now - access.at >= longest_wait_s


def _chosen(access: Access, share: float) -> bool:
    number = hashlib.blake2b((access.request_id or "").encode(), digest_size=8).digest()
    return int.from_bytes(number, "little") < share * 2**64
