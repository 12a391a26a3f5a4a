"""Draws Brier scores by month, with marks where the loop retrained, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

WIDTH, HEIGHT, LEFT, TOP = 720, 260, 52, 40
COLOURS = ("#c0392b", "#7f8c8d", "#1e6bb8")
DASHES = ("", "6 4", "")
STEP = 0.02


def drawing(courses: Mapping[str, Sequence[float]], months: Sequence[int], marks: Sequence[int]) -> str:
    """The picture.

    Args:
        courses: Brier score of each month, by name.
        months: Their numbers.
        marks: Days of the year on which a retrained model came in.
    """
    values = [value for course in courses.values() for value in course]
    lowest, highest = min(values) // STEP * STEP, (max(values) // STEP + 1) * STEP
    wide = WIDTH / len(months)

    def x(place: float) -> float:
        return LEFT + wide * place

    def y(value: float) -> float:
        return TOP + HEIGHT * (highest - value) / (highest - lowest)

    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">Brier score by month, flights of 2013</text>',
             f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']  # fmt: skip
    for step in range(round((highest - lowest) / STEP) + 1):
        at = y(lowest + step * STEP)
        parts.append(f'<path d="M{LEFT} {at:.1f}h{WIDTH}" stroke="#eee"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" class="small" text-anchor="end">{lowest + step * STEP:.2f}</text>'
        )
    for index, month in enumerate(months):
        name = date(2013, month, 1).strftime("%b")
        parts.append(
            f'<text x="{x(index + 0.5):.1f}" y="{TOP + HEIGHT + 16}" class="small" text-anchor="middle">{name}</text>'
        )
    for day in marks:
        when = date(2012, 12, 31) + timedelta(days=day)
        at = x(when.month - months[0] + (when.day - 1) / 31)
        parts.append(f'<path d="M{at:.1f} {TOP}v{HEIGHT}" stroke="{COLOURS[-1]}" stroke-dasharray="2 4"/>')
        parts.append(f'<path d="M{at - 6:.1f} {TOP - 8}h12l-6 8z" fill="{COLOURS[-1]}"/>')
    for (name, course), colour, dash in zip(courses.items(), COLOURS, DASHES, strict=True):
        points = " ".join(f"{x(index + 0.5):.1f},{y(value):.1f}" for index, value in enumerate(course))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        place, under = LEFT + list(courses).index(name) * 150, TOP + HEIGHT + 40
        parts.append(
            f'<path d="M{place} {under - 4}h26" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        parts.append(f'<text x="{place + 32}" y="{under}" class="small">{name}</text>')
    place, under = LEFT + len(courses) * 150, TOP + HEIGHT + 40
    parts.append(f'<path d="M{place} {under - 10}h12l-6 8z" fill="{COLOURS[-1]}"/>')
    parts.append(
        f'<text x="{place + 18}" y="{under}" class="small">the loop retrained, and the candidate came in</text>'
    )
    style = "<style>text{font:13px sans-serif;fill:#222}.small{font-size:11px}</style>"
    width, height = LEFT + WIDTH + 20, TOP + HEIGHT + 56
    background = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    box = f'viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{style}{background}\n' + "\n".join(parts) + "\n</svg>\n"
