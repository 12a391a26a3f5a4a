"""Drift over time as a person reads it in a terminal: one line a feature, one mark a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from falaj.cli.output import styled

if TYPE_CHECKING:
    from falaj.documents.monitoring import DriftWindow

SHADES = " ░▒▓█"
_STEPS = (0.1, 0.2, 0.4, 0.8)
_NAME_WIDTH = 24


def heat_map(windows: Sequence[DriftWindow], most: int = 60) -> list[str]:
    """A line for each feature, those that moved most first; the last windows are on the right.

    The shade is the effect, about in standard deviations. Red is a change beyond doubt in that window, and `?` a window
    that had too few rows.

    Args:
        windows: The earliest first.
        most: So many of the last are shown.
    """
    shown = windows[-most:]
    found = [{each["feature"]: each for each in window.report["features"]} for window in shown]
    names = sorted({name for window in found for name in window}, key=lambda name: (-_largest(found, name), name))
    lines = [f"{_cut(name):<{_NAME_WIDTH}} {''.join(_mark(window.get(name)) for window in found)}" for name in names]
    scale = "  ".join(f"{shade} {_range(place)}" for place, shade in enumerate(SHADES))
    return [*lines, f"{'effect':<{_NAME_WIDTH}} {scale}"] if lines else []


def _largest(found: Sequence[dict[str, Any]], name: str) -> float:
    drifted = [window[name]["effect"] for window in found if name in window and window[name]["verdict"] == "drifted"]
    return max(drifted, default=0.0)


def _mark(found: dict[str, Any] | None) -> str:
    if found is None or found["verdict"] == "unknown":
        return styled("?", "dim")
    shade = SHADES[sum(found["effect"] >= step for step in _STEPS)]
    if found["verdict"] != "drifted":
        return styled(shade, "dim")
    return styled("░" if shade == " " else shade, "red")


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"


def _range(place: int) -> str:
    if place == 0:
        return f"< {_STEPS[0]:g}"
    return f">= {_STEPS[place - 1]:g}"
