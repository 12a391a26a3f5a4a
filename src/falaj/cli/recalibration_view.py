"""How a release is recalibrated, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from falaj.cli.output import clock

if TYPE_CHECKING:
    from falaj.schemas.monitoring import Recalibration

_MONTHS = 12
_UNITS = {"binary": " in log-odds", "regression": ""}


def recalibration_lines(found: Recalibration | None) -> Iterator[str]:
    """What moves the answers of a release, how it came about, and what moved them in the last months.

    Args:
        found: What its location told; None says nothing.
    """
    if found is None:
        return
    if found.reason:
        yield f"no: {found.reason}"
    else:
        yield f"by {found.offset:+.3g}{_UNITS.get(found.kind, '')}, version {found.version} of {clock(found.fitted_at)}"
        yield (
            f"{found.rows} labels ask for {found.proposed:+.3g}, trusted to {found.strength:.2f}; "
            f"at most {found.bound:.3g} either way{_met(found.limit)}"
        )
    if found.months:
        yield months_line(found)


def months_line(found: Recalibration) -> str:
    """The mean offset of each of the last months."""
    return ", ".join(f"{month}: {offset:+.2f}" for month, offset in list(found.months.items())[-_MONTHS:])


def _met(limit: str) -> str:
    return {"bound": ", which is reached", "daily_step": ", on the way there by a third of it a day"}.get(limit, "")
