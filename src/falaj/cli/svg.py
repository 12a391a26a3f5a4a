"""What the pictures of the terminal have in common (SVG, no library)."""

from __future__ import annotations

from html import escape

_STYLE = "text{font:13px sans-serif;fill:#222}.small{font-size:11px;fill:#555}"


def sheet(width: float, height: float, content: str) -> str:
    """A white sheet with its content."""
    box = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    paper = f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}><style>{_STYLE}</style>\n{paper}\n{content}\n</svg>\n'


def text(x: float, y: float, words: str, style: str, anchor: str, *, bold: bool = False) -> str:
    """Words at a place; `small` is a style, and `start`, `middle` or `end` the anchor."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{style}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'
