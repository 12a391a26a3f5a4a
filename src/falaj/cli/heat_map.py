"""Drift over time as a person reads it in a terminal: one line a feature, one mark a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from falaj.cli.output import styled

if TYPE_CHECKING:
    from falaj.schemas.monitoring import DriftWindow

WindowRow = dict[str, Any]
"""What a report says of one feature."""
SHADES = " ░▒▓█"
_STEPS = (0.1, 0.2, 0.4, 0.8)
_NAME_WIDTH = 24


def heat_map(windows: Sequence[DriftWindow], most: int = 60) -> list[str]:
    """A line for each feature, those that moved most first; the last windows are on the right.

    The shade is the effect, about in standard deviations. Red is a change beyond doubt in that window, and `?` one in
    which it was not tested.

    Args:
        windows: The earliest first.
        most: So many of the last are shown.
    """
    feature_marks = by_feature(windows[-most:])
    lines = [f"{_cut(name):<{_NAME_WIDTH}} {''.join(map(_mark, marks))}" for name, marks in feature_marks.items()]
    scale = "  ".join(f"{mark} {range_of(place)}" for place, mark in enumerate(SHADES))
    return [*lines, f"{'effect':<{_NAME_WIDTH}} {scale}  ? not tested"] if lines else []


def by_feature(windows: Sequence[DriftWindow]) -> dict[str, list[WindowRow | None]]:
    """What was found of each feature in each window, those that moved most first."""
    window_features = [{each["feature"]: each for each in window.report["features"]} for window in windows]
    names = sorted(
        {name for window in window_features for name in window},
        key=lambda name: (-_largest(window_features, name), name),
    )
    return {name: [window.get(name) for window in window_features] for name in names}


def shade(feature_result: WindowRow) -> int:
    """The place of its effect in the scale."""
    return sum(feature_result["effect"] >= step for step in _STEPS)


def range_of(place: int) -> str:
    """The effects of a place in the scale."""
    return f"< {_STEPS[0]:g}" if place == 0 else f">= {_STEPS[place - 1]:g}"


def _largest(window_features: Sequence[dict[str, WindowRow]], name: str) -> float:
    drifted = [
        window[name]["effect"] for window in window_features if name in window and window[name]["verdict"] == "drifted"
    ]
    return max(drifted, default=0.0)


def _mark(feature_result: WindowRow | None) -> str:
    if feature_result is None or feature_result["verdict"] == "not_tested":
        return styled("?", "dim")
    mark = SHADES[shade(feature_result)]
    if feature_result["verdict"] != "drifted":
        return styled(mark, "dim")
    return styled("░" if mark == " " else mark, "red")


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
