"""From lines of the access log to what the analysis counts (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from falaj.locations.accesslog import Access
from falaj.locations.agent.rollouts.record import Record
from falaj.rollout import WHOLE
from falaj.rollout.analysis import Batch

CLIENT_WENT = "DC"
"""Envoy's flag of a request whose client left before the answer; that says nothing about the release."""


def by_endpoint(accesses: Sequence[Access]) -> Mapping[str, list[Access]]:
    """The lines of each endpoint, in order."""
    found: dict[str, list[Access]] = {}
    for access in accesses:
        if access.endpoint:
            found.setdefault(access.endpoint, []).append(access)
    return found


def latencies(accesses: Sequence[Access], endpoint: str, release: int) -> list[float]:
    """Milliseconds of the answers of one release of an endpoint."""
    return [
        access.latency_ms
        for access in accesses
        if access.endpoint == endpoint and access.release == release and not _failed(access)
    ]


def failures(accesses: Sequence[Access], release: int) -> int:
    """How many requests a release did not answer, of those that its callers waited for."""
    return sum(1 for each in accesses if each.release == release and _fair(each) and _failed(each))


def counted(record: Record, accesses: Sequence[Access], now: float) -> Record:
    """The record after counting requests of its endpoint.

    Requests that were sent to a release by a header or another rule say nothing about a random sample, and those whose
    client left say nothing about the release: neither is judged.
    """
    plan = record.plan
    both = (plan.stable, plan.candidate)
    mine = [access for access in accesses if access.canary == plan.candidate and access.release in both]
    if not mine:
        return record
    canary = np.array([access.release == plan.candidate for access in mine], dtype=bool)
    answered = (record.answered[0] + int((~canary).sum()), record.answered[1] + int(canary.sum()))
    record = replace(record, answered=answered)
    fair = np.array([_fair(access) for access in mine], dtype=bool)
    if record.analysis is None or not fair.any():
        return record
    return replace(record, analysis=record.analysis.update(_batch(record, mine, canary).rows(fair), now))


def _batch(record: Record, accesses: Sequence[Access], canary: np.ndarray) -> Batch:
    judged_from = (record.ready_at or 0.0) + record.plan.burn_in_s
    return Batch(
        canary=canary,
        weight=np.array([access.weight / WHOLE for access in accesses]),
        error=np.array([_failed(access) for access in accesses], dtype=bool),
        latency_ms=np.array([access.latency_ms for access in accesses], dtype=float),
        burn_in=np.array([access.at < judged_from for access in accesses], dtype=bool),
    )


def _fair(access: Access) -> bool:
    """Whether chance alone decided which release was asked, and the release alone how it ended."""
    return not access.forced and CLIENT_WENT not in access.flags


def _failed(access: Access) -> bool:
    """Whether the release gave no answer, also where another one gave it instead.

    Refused requests count, and cancel out where both sides refuse them.
    """
    return access.status >= 400 or access.status == 0 or access.failed_over
