"""How a release is recalibrated, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from falaj.cli.output import clock

if TYPE_CHECKING:
    from falaj.schemas.monitoring import Recalibration

_MONTHS = 12
_UNITS = {"binary": " in log-odds", "regression": ""}


def recalibration_lines(recalibration: Recalibration | None) -> Iterator[str]:
    """What moves the answers of a release, how it came about, and what moved them in the last months.

    Args:
        recalibration: What its location told; None says nothing.
    """
    if recalibration is None:
        return
    if recalibration.reason:
        yield f"no: {recalibration.reason}"
    else:
        unit = _UNITS.get(recalibration.kind, "")
        fitted_at = clock(recalibration.fitted_at)
        yield f"by {recalibration.offset:+.3g}{unit}, version {recalibration.version} of {fitted_at}"
        yield (
            f"{recalibration.rows} labels ask for {recalibration.proposed:+.3g}, trusted to "
            f"{recalibration.strength:.2f}; "
            f"at most {recalibration.bound:.3g} either way{_met(recalibration.limit)}"
        )
    if recalibration.months:
        yield months_line(recalibration)


def months_line(recalibration: Recalibration) -> str:
    """The mean offset of each of the last months."""
    return ", ".join(f"{month}: {offset:+.2f}" for month, offset in list(recalibration.months.items())[-_MONTHS:])


def _met(limit: str) -> str:
    return {"bound": ", which is reached", "daily_step": ", on the way there by a third of it a day"}.get(limit, "")
