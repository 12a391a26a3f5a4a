"""A rollout as a person reads it in a terminal: how far each piece of evidence is from its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from falaj.cli.output import age, styled

if TYPE_CHECKING:
    from falaj.schemas.rollouts import Rollout

ENDED = ("succeeded", "rolled_back", "aborted", "live", "failed", "superseded")
_COLOURS = {
    "succeeded": "green", "rolled_back": "red", "aborted": "magenta", "rolling_back": "red", "paused": "yellow",
    "inconclusive": "yellow",
}  # fmt: skip
_WORDS = {
    "pending": "it has not begun",
    "waiting": "another location is first",
    "converging": "its location has not reported yet",
    "rolling": "its location has not reported yet",
    "warming": "the candidate starts; it gets no requests yet",
    "promoting": "the candidate gets all requests now",
    "holdback": "the candidate serves; the rollback window is still open",
    "live": "the candidate serves all requests",
}
_WIDTH = 24
_RATIOS = ("errors", "latency", "error_blocks", "latency_blocks", "distribution")
"""Kinds of metrics that compare by a ratio; the others compare by a difference."""


def lines_of(rollout: Rollout) -> list[str]:
    """The lines of the single view."""
    versions = f"{rollout.endpoint}: release {rollout.candidate} beside {rollout.stable} at {rollout.location}"
    request_counts = rollout.requests
    return [
        styled(f"rollout {rollout.id}  {versions}", "bold"),
        f"  {rollout.strategy}  {styled(rollout.state, _COLOURS.get(rollout.state, ''))}  for {age(rollout.since)}",
        f"  weight     {_weight(rollout)}",
        f"  requests   stable {request_counts.get('stable', 0):,}, candidate {request_counts.get('candidate', 0):,}",
        *_evidence(rollout),
        f"  verdict    {verdict(rollout)}",
        *(f"  note       {note}" for note in rollout.notes),
        *([f"  allowed: {', '.join(rollout.allowed)}"] if rollout.allowed else []),
    ]


def verdict(rollout: Rollout) -> str:
    """The verdict in words."""
    match rollout.state:
        case "rolled_back" | "aborted" | "inconclusive" | "paused" | "rolling_back":
            return f"{rollout.state.replace('_', ' ')}: {rollout.reason}" if rollout.reason else rollout.state
        case "succeeded":
            return f"the candidate serves all requests{f': {rollout.reason}' if rollout.reason else ''}"
        case "failed" | "superseded":
            return f"{rollout.state}: {rollout.reason}" if rollout.reason else rollout.state
    if rollout.state in _WORDS:
        return _WORDS[rollout.state]
    if not rollout.metrics:
        return "nothing is judged: time alone decides"
    missing = [metric["name"] for metric in rollout.metrics if _judges(metric) and not _good_enough(metric)]
    if rollout.strategy == "challenger":
        return "nothing speaks against it; a challenger is compared and never promoted from here"
    return f"nothing speaks against it; {_missing(missing)}"


def _missing(names: list[str]) -> str:
    return f"not yet known to be good enough: {', '.join(names)}" if names else "it is known to be good enough"


def _weight(rollout: Rollout) -> str:
    share = rollout.weight / 100
    copies = f", copies of {rollout.mirror:.0%}" if rollout.mirror else ""
    filled = round(rollout.weight / 10_000 * _WIDTH)
    return f"{'█' * filled}{'·' * (_WIDTH - filled)} {share:g}%{copies}"


def _evidence(rollout: Rollout) -> list[str]:
    if not rollout.metrics:
        return []
    titles = ("regression e-value (log10)", "no regression (log10)")
    head = f"  {'':10} {titles[0]:{_WIDTH + 14}} {titles[1]:{_WIDTH + 14}} candidate / stable"
    rows = [
        f"  {metric['name'][:10]:10} {_bar(metric['harm'], metric['harm_line'], 'red')} "
        f"{_bar(metric['safe'], metric['safe_line'], 'green')} {_ratio(metric)}"
        for metric in rollout.metrics
    ]
    return [styled(head, "dim"), *rows]


def _bar(value: float | None, line: float | None, colour: str) -> str:
    """How far evidence is from its line, on the scale of log10: `████····  1.20 of 2.00`."""
    if value is None or not line:
        return " " * (_WIDTH + 14)
    filled = min(_WIDTH, max(0, round(value / line * _WIDTH)))
    bar = styled("█" * filled, colour if filled == _WIDTH else "") + "·" * (_WIDTH - filled)
    return f"{bar} {max(value, 0.0):5.2f} of {line:4.2f}"


def _ratio(metric: Mapping[str, Any]) -> str:
    if metric.get("ratio") is None:
        return "no events yet"
    least, most = metric.get("at_least"), metric.get("at_most")
    bounds = [f"at least {least:.2g}" if least is not None else "", f"at most {most:.2g}" if most is not None else ""]
    bounds_text = ", ".join(each for each in bounds if each)
    sign = "" if metric["kind"] in _RATIOS else "+"
    return f"{metric['ratio']:{sign}.2g}{f' ({bounds_text})' if bounds_text else ''}"


def _judges(metric: Mapping[str, Any]) -> bool:
    return bool(metric["kind"] != "distribution")


def _good_enough(metric: Mapping[str, Any]) -> bool:
    return bool(metric["safe"] is not None and metric["safe"] >= metric["safe_line"])
