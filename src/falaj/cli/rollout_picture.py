"""A rollout as a picture: how the evidence grew against its lines, and how the weight moved (SVG, no library)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from falaj.cli.rollout_view import verdict
from falaj.cli.svg import sheet, text

if TYPE_CHECKING:
    from falaj.schemas.rollouts import Rollout

_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND = 52, 64, 640, 240, 22
_LOW, _HIGH = -1.0, 4.0
_COLOURS = ("#c0392b", "#d68910", "#2874a6", "#1e8449", "#7d3c98", "#5d6d7e")


def picture_of(rollout: Rollout) -> str:
    """The picture of a rollout.

    Solid lines are log10 of the evidence of a regression, dashed ones of the evidence of being good enough; the grey
    steps are the candidate's weight.
    """
    points = rollout.trajectory
    names = [metric["name"] for metric in rollout.metrics]
    height = _TOP + _HEIGHT + 44 + _LEGEND * len(names)
    parts = [_frame(rollout)]
    if points:
        times = _positions([point["at"] for point in points])
        parts += [_weights(times, [point["weight"] for point in points]), *_lines(rollout)]
        for place, name in enumerate(names):
            colour = _COLOURS[place % len(_COLOURS)]
            series = [point["metrics"].get(name, (0.0, 0.0)) for point in points]
            parts.append(_curve(times, [harm or 0.0 for harm, _ in series], colour))
            parts.append(_curve(times, [safe or 0.0 for _, safe in series], colour, dashed=True))
            parts.append(_legend(place, name, colour))
        took = points[-1]["at"] - points[0]["at"]
        parts.append(text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 18, f"{took:,.0f} s", "small", "middle"))
    return sheet(_LEFT + _WIDTH + 24, height, "\n".join(parts))


def _frame(rollout: Rollout) -> str:
    title = f"{rollout.endpoint}: release {rollout.candidate} beside {rollout.stable}, {rollout.strategy}"
    return "\n".join(
        [
            text(_LEFT, 22, title, "", "start", bold=True),
            text(_LEFT, 42, verdict(rollout), "small", "start"),
            f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>',
            *(text(_LEFT - 8, _y(value) + 4, f"{value:.0f}", "small", "end") for value in range(-1, 5)),
        ]
    )


def _lines(rollout: Rollout) -> list[str]:
    line_metrics = [metric for metric in rollout.metrics if metric["kind"] != "distribution"]
    named = {"roll back": max((m["harm_line"] for m in line_metrics), default=None),
             "good enough": max((m["safe_line"] for m in line_metrics), default=None)}  # fmt: skip
    return [
        f'<path d="M{_LEFT} {_y(value):.1f}h{_WIDTH}" stroke="#444" stroke-dasharray="6 3"/>'
        + text(_LEFT + 6, _y(value) - 4, name, "small", "start")
        for name, value in named.items()
        if value is not None
    ]


def _weights(times: Sequence[float], weights: Sequence[int]) -> str:
    corners = []
    for at, weight, after in zip(times, weights, [*times[1:], times[-1]], strict=True):
        level = _TOP + _HEIGHT * (1 - weight / 10_000)
        corners += [f"{at:.1f},{level:.1f}", f"{after:.1f},{level:.1f}"]
    return f'<polyline points="{" ".join(corners)}" fill="none" stroke="#ccc" stroke-width="6"/>'


def _curve(times: Sequence[float], values: Sequence[float], colour: str, *, dashed: bool = False) -> str:
    points = " ".join(f"{at:.1f},{_y(value):.1f}" for at, value in zip(times, values, strict=True))
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>'


def _legend(place: int, name: str, colour: str) -> str:
    height = _TOP + _HEIGHT + 44 + _LEGEND * place
    return f'<path d="M{_LEFT} {height - 4}h26" stroke="{colour}" stroke-width="3"/>' + text(
        _LEFT + 34, height, f"{name}: solid harm, dashed good enough", "small", "start"
    )


def _positions(times: Sequence[float]) -> list[float]:
    span = max(times[-1] - times[0], 1e-9)
    return [_LEFT + _WIDTH * (at - times[0]) / span for at in times]


def _y(log10: float) -> float:
    return _TOP + _HEIGHT * (_HIGH - min(max(log10, _LOW), _HIGH)) / (_HIGH - _LOW)
