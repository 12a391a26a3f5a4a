"""Drift over time as a picture: a row a feature, a column a window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from falaj.cli.heat_map import SHADES, WindowRow, by_feature, range_of, shade
from falaj.cli.output import clock
from falaj.cli.svg import sheet, text

if TYPE_CHECKING:
    from falaj.schemas.monitoring import DriftWindow

_LEFT, _TOP, _ROW, _WIDTH = 150, 84, 18, 640
_STEADY = ("#f4f4f4", "#dcdcdc", "#bdbdbd", "#969696", "#6b6b6b")
_DRIFTED = ("#fde0d9", "#fbb4a0", "#f4785c", "#d7301f", "#8e0b0b")
_NOT_TESTED = "#ffffff"


def heat_picture(model: str, windows: Sequence[DriftWindow]) -> str:
    """The windows of one location, the earliest on the left; features that moved most are on top.

    The shade is the effect, about in standard deviations. Red is a change beyond doubt in that window, white one in
    which it was not tested. Lines between columns are new releases, with whose own reference monitors begin anew.

    Args:
        model: Whose they are.
        windows: At least one, the earliest first.
    """
    feature_marks = by_feature(windows)
    width, bottom = _WIDTH / len(windows), _TOP + _ROW * len(feature_marks)
    parts = [text(_LEFT, 22, f"{model} at {windows[0].location}: drift by feature and window", "", "start", bold=True)]
    for row, (name, marks) in enumerate(feature_marks.items()):
        top = _TOP + _ROW * row
        parts.append(text(_LEFT - 8, top + 13, name, "small", "end"))
        parts += [_cell(_LEFT + width * place, top, width, mark) for place, mark in enumerate(marks)]
    parts += [*_releases(windows, width, bottom), *_legend(), *_ends(windows, bottom)]
    return sheet(_LEFT + _WIDTH + 24, bottom + 32, "\n".join(parts))


def _cell(x: float, y: float, width: float, feature_result: WindowRow | None) -> str:
    tested_feature = feature_result if feature_result and feature_result["verdict"] != "not_tested" else None
    colours = _DRIFTED if tested_feature and tested_feature["verdict"] == "drifted" else _STEADY
    colour = colours[shade(tested_feature)] if tested_feature else _NOT_TESTED
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}" fill="{colour}"/>'


def _releases(windows: Sequence[DriftWindow], width: float, bottom: int) -> list[str]:
    parts, place = [], 0
    for release, mine in groupby(windows, key=lambda window: window.release):
        x = _LEFT + width * place
        parts.append(f'<path d="M{x:.1f} {_TOP - 6}V{bottom}" stroke="#2874a6" stroke-width="2"/>')
        parts.append(text(x + 4, _TOP - 8, f"release {release}", "small", "start"))
        place += len(list(mine))
    return parts


def _legend() -> list[str]:
    parts = [text(_LEFT, 44, "effect", "small", "start")]
    for place in range(len(SHADES)):
        x = _LEFT + 46 + 84 * place
        parts += [f'<rect x="{x + 14 * n}" y="34" width="13" height="12" fill="{colour}"/>'
                  for n, colour in enumerate((_STEADY[place], _DRIFTED[place]))]  # fmt: skip
        parts.append(text(x + 32, 44, range_of(place), "small", "start"))
    return [*parts, text(_LEFT + 46 + 84 * len(SHADES), 44, "red: drifted", "small", "start")]


def _ends(windows: Sequence[DriftWindow], bottom: int) -> list[str]:
    return [
        text(_LEFT, bottom + 18, clock(windows[0].start), "small", "start"),
        text(_LEFT + _WIDTH, bottom + 18, clock(windows[-1].end), "small", "end"),
        text(_LEFT + _WIDTH / 2, bottom + 18, f"{len(windows)} windows", "small", "middle"),
    ]
