"""The report as pages: Markdown for repositories, and HTML that needs nothing else and runs nothing (pure).

Everything that people wrote (names of models, sources, files, addresses) is escaped: in a report it is text.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from falaj.control.compliance.evaluation.posture import ControlFinding, Posture, State
from falaj.control.compliance.evaluation.processing import Activity

DISCLAIMER = (
    "This report says what the platform can see. It is made of configuration and records, and is not legal advice; "
    "deadlines and lists are settings of the organisation."
)
_COLOURS: Mapping[State, str] = {
    State.MET: "#1a7f37",
    State.GAP: "#b42318",
    State.ASK: "#9a6700",
    State.NONE: "#57606a",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td, th { border: 1px solid #d0d7de; padding: .4rem .6rem;
text-align: left; vertical-align: top; overflow-wrap: anywhere } th { background: #f6f8fa }
.state { font-weight: 600 } ul { margin: 0; padding-left: 1.1rem } .note { color: #57606a }
"""


def markdown_page(posture: Posture, findings: Iterable[ControlFinding], activities: Iterable[Activity]) -> str:
    """The report as Markdown."""
    finding_list = list(findings)
    parts = [
        f"# Compliance with the pack uae: {_md(_entity(posture))}",
        "",
        *_md_lines(_head(posture, finding_list)),
        "",
    ]
    for each in finding_list:
        parts += [f"## {_md(each.law)}", "", f"Control: {_md(each.control)}", "", f"State: **{each.state}**", ""]
        parts += [*_md_list("Evidence", each.evidence), *_md_list("Gaps", each.gaps)]
    parts += ["## Records of processing", ""]
    for activity in activities:
        parts += [f"### {_md(activity.release)}", ""]
        parts += [f"- {_md(name)}: {_md('; '.join(values) or 'none')}" for name, values in _rows(activity)]
        parts += [""]
    return "\n".join(parts)


def html_page(posture: Posture, findings: Iterable[ControlFinding], activities: Iterable[Activity]) -> str:
    """The report as one HTML file, which no browser loads anything for."""
    finding_list = list(findings)
    title = html.escape(f"Compliance with the pack uae: {_entity(posture)}")
    head = "".join(f"<p class=note>{html.escape(line)}</p>" for line in _head(posture, finding_list))
    rows = "".join(_html_finding(each) for each in finding_list)
    records = "".join(_html_activity(each) for each in activities) or "<p>none</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{head}"
        f"<table><tr><th>rule</th><th>control</th><th>state</th><th>evidence</th><th>gaps</th></tr>{rows}</table>"
        f"<h2>Records of processing</h2>{records}</body></html>\n"
    )


def _entity(posture: Posture) -> str:
    return posture.rules.entity.name or "an undeclared entity"


def _head(posture: Posture, finding_list: list[ControlFinding]) -> Iterator[str]:
    at = datetime.fromtimestamp(posture.rules.now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    counted = {state: sum(each.state is state for each in finding_list) for state in State}
    yield f"Made {at}; settings {posture.settings}; audit log of {posture.log_size} entries, root {posture.log_root}."
    yield ", ".join(f"{count} {state}" for state, count in counted.items()) + "."
    yield DISCLAIMER


def _rows(activity: Activity) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "owner", (f"{activity.owner or 'not told'} of {activity.project}",)
    yield "purpose", (activity.purpose or "not declared",)
    yield "regimes", activity.regimes
    yield "data", activity.categories
    yield "snapshots", activity.snapshots
    yield "model", (activity.digest, f"commit {activity.commit}")
    yield "processed", activity.serves
    yield "transfers", activity.transfers
    yield "automated decisions", (activity.automated_decisions,)
    yield "human review", (activity.human_review or "not declared",)


def _html_finding(each: ControlFinding) -> str:
    colour = _COLOURS[each.state]
    return (
        f"<tr><td>{html.escape(each.law)}</td><td>{html.escape(each.control)}</td>"
        f'<td class=state style="color:{colour}">{each.state}</td>'
        f"<td>{_html_list(each.evidence)}</td><td>{_html_list(each.gaps)}</td></tr>"
    )


def _html_activity(activity: Activity) -> str:
    rows = "".join(f"<tr><th>{name}</th><td>{_html_list(values)}</td></tr>" for name, values in _rows(activity))
    return f"<h3>{html.escape(activity.release)}</h3><table>{rows}</table>"


def _html_list(values: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(value)}</li>" for value in values)
    return f"<ul>{items}</ul>" if items else ""


def _md_list(heading: str, values: tuple[str, ...]) -> list[str]:
    return [f"{heading}:", "", *(f"- {_md(value)}" for value in values), ""] if values else []


def _md_lines(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in (_md(line), "")]


def _md(text: str) -> str:
    """Text that Markdown shows as it is: on one line, without markup of its own."""
    flat = " ".join(text.split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|~" else char for char in flat).replace("&", "&amp;")
