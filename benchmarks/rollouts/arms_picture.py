"""Draws what three arms of one release did in a real rollout, for docs/explanation/how-rollouts-are-judged.md.

python benchmarks/rollouts/identical.py --rounds 1 --keep FOLDER
python benchmarks/rollouts/arms_picture.py FOLDER/000 docs/explanation/images/identical-arms.svg
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from identical import NAME

from falaj.dataplane.access_log import Access, AccessLog
from falaj.dataplane.agent.rollouts.counting import by_endpoint

WIDTH, HEIGHT, LEFT, TOP = 640, 240, 56, 40
ARMS = {"stable": "#888888", "baseline": "#2874a6", "candidate": "#c0392b"}
NAMES = {"stable": "stable, the rest of the requests", "baseline": "baseline", "candidate": "candidate"}
SMOOTH_S = 5


def main() -> int:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    accesses = by_endpoint(AccessLog(folder / "access.jsonl").read(limit=1 << 30)[0])[NAME]
    target.write_text(drawing([access for access in accesses if access.baseline_weight]))
    return 0


def drawing(accesses: Sequence[Access]) -> str:
    """The share of each arm's requests above the baseline's median, second by second, over five seconds."""
    cut = float(np.median([access.latency_ms for access in accesses if access.arm == "baseline"]))
    begin, end = accesses[0].at, accesses[-1].at
    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>']
    parts += [label(LEFT - 8, y(share) + 4, f"{share:.0%}", "end") for share in (0, 0.25, 0.5, 0.75, 1)]
    parts.append(
        label(LEFT, TOP - 16, "Three arms of one release: requests above the median of the baseline", bold=True)
    )
    parts.append(label(LEFT + WIDTH / 2, TOP + HEIGHT + 18, f"0 to {end - begin:.0f} seconds", "middle"))
    for place, (arm, colour) in enumerate(ARMS.items()):
        points = [
            f"{LEFT + WIDTH * (second + SMOOTH_S / 2) / (end - begin):.1f},{y(share):.1f}"
            for second, share in shares([access for access in accesses if access.arm == arm], begin, end, cut)
        ]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<path d="M{LEFT + place * 240} {TOP + HEIGHT + 38}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(label(LEFT + place * 240 + 28, TOP + HEIGHT + 42, NAMES[arm]))
    style = "<style>text{font:12px sans-serif;fill:#222}</style>"
    size = f'viewBox="0 0 {LEFT + WIDTH + 20} {TOP + HEIGHT + 56}"'
    background = f'<rect width="{LEFT + WIDTH + 20}" height="{TOP + HEIGHT + 56}" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{background}\n' + "\n".join(parts) + "\n</svg>\n"


def shares(mine: Sequence[Access], begin: float, end: float, cut: float) -> list[tuple[int, float]]:
    points = []
    for second in range(int(end - begin) - SMOOTH_S):
        within = [a.latency_ms > cut for a in mine if begin + second <= a.at < begin + second + SMOOTH_S]
        if within:
            points.append((second, float(np.mean(within))))
    return points


def y(share: float) -> float:
    return TOP + HEIGHT * (1 - share)


def label(x: float, at: float, text: str, anchor: str = "start", *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{at:.0f}" text-anchor="{anchor}"{weight}>{text}</text>'


if __name__ == "__main__":
    sys.exit(main())
