"""Draws the evidence of two simulated rollouts for docs/explanation/how-rollouts-are-judged.md.

python benchmarks/rollouts/picture.py docs/explanation/rollout-evidence.svg
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from blocks import HOUR, PLAN, Traffic, block

from falaj.statistics.rollout.analysis import Analysis

WIDTH, HEIGHT, LEFT, TOP, GAP = 400, 220, 46, 46, 70
COLOURS = {"errors: harm": "#c0392b", "latency: harm": "#d68910", "errors: safe": "#1e8449", "latency: safe": "#2874a6"}
STEPS = (0.01, 0.05, 0.25, 0.5)
GATES = (5.0, 3.0, 2.0, 1.5)


@dataclass
class Course:
    """One rollout: evidence over time.

    Attributes:
        title: Above the panel.
        times: Minutes at each look.
        lines: Log10 of the evidence, by name.
        steps: Where weights changed: minutes and the new weight.
        end: What happened.
    """

    title: str
    times: list[float] = field(default_factory=list)
    lines: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLOURS})
    steps: list[tuple[float, float]] = field(default_factory=list)
    end: str = ""


def rollout(title: str, seed: int, traffic: Traffic) -> Course:
    """A ramp that leaves each step when its gate is ruled out, with 50 requests a second for either arm."""
    rng, course = np.random.default_rng(seed), Course(title)
    state = Analysis.start(replace(PLAN, starts=len(STEPS)))
    step, second = 0, 0
    course.steps.append((0.0, STEPS[0]))
    while not course.end and second < HOUR:
        block_ = block(traffic, np.ones(4), np.zeros(4), np.zeros(2), rng)
        second += 1
        state = state.observe_block(block_, float(second), float(second))
        verdict, evidence = state.verdict(), state.evidence()
        course.times.append(second / 60)
        for metric, spec in zip(verdict.metrics, state.plan.metrics, strict=True):
            course.lines[f"{metric.name}: harm"].append(metric.harm)
            course.lines[f"{metric.name}: safe"].append(evidence.metrics[spec.name].safe / np.log(10))
        if verdict.roll_back:
            course.end = f"rolled back after {second} s: {', '.join(verdict.culprits)}"
        elif step == len(STEPS) - 1 and verdict.promote:
            course.end = f"promoted after {second} s"
        elif step < len(STEPS) - 1 and verdict.leave_step <= GATES[step]:
            step, state = step + 1, state.enter_step()
            course.steps.append((second / 60, STEPS[step]))
    return course


def panel(course: Course, left_edge: int, harm_line: float, safe_line: float) -> list[str]:
    """SVG of one rollout."""
    most = course.times[-1]

    def x(minutes: float) -> float:
        return left_edge + WIDTH * minutes / most

    def y(log10: float) -> float:
        return TOP + HEIGHT * (4 - min(max(log10, -2), 4)) / 6

    parts = [f'<text x="{left_edge}" y="{TOP - 26}" font-weight="bold">{course.title}</text>',
             f'<text x="{left_edge}" y="{TOP - 10}" class="small">{course.end}</text>',
             f'<rect x="{left_edge}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
             'stroke="#999"/>']  # fmt: skip
    parts += [
        f'<text x="{left_edge - 6}" y="{y(value) + 4:.0f}" class="small" text-anchor="end">{value}</text>'
        for value in range(-2, 5)
    ]
    for value, name in ((harm_line, "roll back"), (safe_line, "promote")):
        parts.append(f'<path d="M{left_edge} {y(value):.1f}h{WIDTH}" stroke="#444" stroke-dasharray="5 3"/>')
        parts.append(f'<text x="{left_edge + 6}" y="{y(value) - 4:.0f}" class="small">{name}</text>')
    for begin, weight in course.steps:
        parts.append(f'<path d="M{x(begin):.1f} {TOP}v{HEIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(begin) + 2:.0f}" y="{TOP + HEIGHT - 5}" class="small">{weight:.0%}</text>')
    for name, values in course.lines.items():
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in zip(course.times, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.6"/>')
    middle, under = left_edge + WIDTH / 2, TOP + HEIGHT + 16
    parts.append(f'<text x="{middle}" y="{under}" class="small" text-anchor="middle">0 to {most:.1f} minutes</text>')
    return parts


def drawing(courses: Sequence[Course], harm_line: float, safe_line: float) -> str:
    """The whole picture."""
    width = LEFT + len(courses) * (WIDTH + GAP)
    parts = [part for index, course in enumerate(courses)
             for part in panel(course, LEFT + index * (WIDTH + GAP), harm_line, safe_line)]  # fmt: skip
    for index, (name, colour) in enumerate(COLOURS.items()):
        place, under = LEFT + index * 140, TOP + HEIGHT + 40
        parts.append(f'<path d="M{place} {under - 4}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{place + 28}" y="{under}" class="small">{name}</text>')
    style = "<style>text{font:13px sans-serif;fill:#222}.small{font-size:11px}</style>"
    background = f'<rect width="{width}" height="{TOP + HEIGHT + 56}" fill="#fff"/>'
    box = f'viewBox="0 0 {width} {TOP + HEIGHT + 56}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{style}{background}\n' + "\n".join(parts) + "\n</svg>\n"


def main() -> int:
    courses = [
        rollout("A candidate as good as stable", 3, Traffic(errors=0.0)),
        rollout("A candidate that is 1.6 times slower", 6, Traffic(times=1.6)),
    ]
    Path(sys.argv[1]).write_text(drawing(courses, -np.log10(0.01 / 2), -np.log10(0.05)))
    for course in courses:
        print(f"{course.title}: {course.end}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
