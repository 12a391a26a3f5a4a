"""How long snapshots must be kept, whoever asks for their erasure (pure).

The time is counted from when a snapshot was first taken: the platform does not know when a person was last treated or
an account was closed. A lock follows from the label and the settings, so that a changed setting holds at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from falaj.config.uae_pack import YEAR_S, UaeSettings
from falaj.control.compliance.labels import DataClassification
from falaj.control.compliance.regimes import LegalEntity, Regime, regimes_of


@dataclass(frozen=True)
class RetainedSnapshot:
    """A snapshot, as far as its retention goes.

    Args:
        digest: Of the snapshot.
        label: What it is.
        first_at: When it was first taken, unix seconds.
    """

    digest: str
    label: DataClassification
    first_at: float


def locked_until(snapshot: RetainedSnapshot, entity: LegalEntity, settings: UaeSettings) -> float | None:
    """Until when a snapshot must be kept, unix seconds; None when no law of the pack asks for it."""
    years = {Regime.HEALTH: settings.health_retention_years, Regime.CBUAE: settings.banking_retention_years}
    lock_years = [years[regime] for regime in regimes_of(entity, snapshot.label) if regime in years]
    return snapshot.first_at + max(lock_years) * YEAR_S if lock_years else None


def longest_s(labels: Iterable[DataClassification], entity: LegalEntity, settings: UaeSettings) -> float:
    """How long anything must be kept that was made of data with such labels, in seconds; 0 when no law asks for it."""
    lock_ends = (locked_until(RetainedSnapshot("", label, 0.0), entity, settings) for label in labels)
    return max((until for until in lock_ends if until is not None), default=0.0)


def locks(
    snapshots: Iterable[RetainedSnapshot], entity: LegalEntity, settings: UaeSettings, now: float
) -> dict[str, float]:
    """Snapshots that must be kept now, with the time until when."""
    locks_by_digest: dict[str, float] = {}
    for each in snapshots:
        until = locked_until(each, entity, settings)
        if until is not None and now < until:
            locks_by_digest[each.digest] = max(until, locks_by_digest.get(each.digest, 0.0))
    return locks_by_digest
