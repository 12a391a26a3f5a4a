"""A model card for people, written from the signed bill of materials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from falaj.cli.recalibration_view import months_line

if TYPE_CHECKING:
    from falaj.schemas.monitoring import Recalibration

_PREFIX = "falaj:"
_SELECTION = ("score", "selected")
_RECALIBRATED = ("endpoint", "location", "offset", "strength", "bound", "months")


def markdown(
    document: Mapping[str, Any],
    release: str,
    recalibrations: Sequence[Recalibration] = (),
    selection: Mapping[str, Any] | None = None,
) -> str:
    """Return the card as Markdown.

    Args:
        document: A CycloneDX document of a model, as the `mlbom` evidence holds it.
        release: `model@number`.
        recalibrations: By what its answers are moved now, where it is served; not part of what was signed.
        selection: How it was selected among the candidates of a sweep, from the `train` evidence; empty for none.
    """
    component = document["metadata"]["component"]
    card_properties = _details(component["properties"])
    sections = [
        f"# {release}",
        _facts(component, card_properties, document["metadata"]["timestamp"]),
        _section("How it did", ("gate", "value", "worst slice", "interval"), _metrics(component)),
        _section("Candidates", ("candidate", *_SELECTION), _candidates(selection or {})),
        _section("Data", ("name", "version", "classification", "origin", "digest"), _data(document)),
        _section("Inputs", ("name",), [(entry["value"],) for entry in component["modelCard"]["properties"]]),
        _section("Packages", ("name", "version"), _packages(document)),
        _section("Recalibration", _RECALIBRATED, _moved(recalibrations)),
        "Gates and figures above are of the bare model; answers are moved after it." if recalibrations else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(component: Mapping[str, Any], card_properties: Mapping[str, str], made_at: str) -> str:
    rows = {
        "owner": card_properties.get("owner", ""),
        "risk": card_properties.get("risk", ""),
        "form": component["modelCard"]["modelParameters"]["modelArchitecture"],
        "made": made_at,
        "commit": card_properties.get("commit", ""),
        "run": card_properties.get("run", ""),
        "digest": "sha256:" + component["hashes"][0]["content"],
    }
    return "\n".join(f"- {name}: {_cell(value)}" for name, value in rows.items() if value)


def _metrics(component: Mapping[str, Any]) -> list[tuple[str, ...]]:
    metric_items = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    return [(item["type"], item["value"], item.get("slice", ""), _interval(item)) for item in metric_items]


def _interval(metric: Mapping[str, Any]) -> str:
    interval = metric.get("confidenceInterval")
    return f"{interval['lowerBound']} to {interval['upperBound']}" if interval else ""


def _candidates(selection: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Every candidate of a sweep with its score; of the one that went on, by what it was selected."""
    return [
        (item["name"], f"{item['score']:.6g}" if item["score"] is not None else item["reason"],
         f"selected by {selection['text']}" if item["name"] == selection["best"] else "")
        for item in selection.get("candidates", ())
    ]  # fmt: skip


def _data(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            item["name"],
            item["version"],
            item["data"][0]["classification"],
            _details(item["properties"]).get("origin", ""),
            "sha256:" + item["hashes"][0]["content"][:12],
        )
        for item in _of_type(document, "data")
    ]


def _packages(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(item["name"], item["version"]) for item in _of_type(document, "library")]


def _moved(recalibrations: Sequence[Recalibration]) -> list[tuple[str, ...]]:
    return [
        (each.endpoint, each.location, each.reason or f"{each.offset:+.3g}", f"{each.strength:.2f}",
         f"{each.bound:.3g}", months_line(each))
        for each in recalibrations
    ]  # fmt: skip


def _of_type(document: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (item for item in document["components"] if item["type"] == kind)


def _section(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A heading and a table without its empty columns; empty when there are no rows."""
    if not rows:
        return ""
    used = [at for at in range(len(header)) if any(row[at] for row in rows)]
    lines = [[header[at] for at in used], ["---"] * len(used), *([_cell(row[at]) for at in used] for row in rows)]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Text that cannot end its cell, start markup, or turn what follows around."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text)
    for special in "\\|`<>*_[]#!":
        shown = shown.replace(special, f"\\{special}")
    return shown


def _details(properties: list[Mapping[str, str]]) -> dict[str, str]:
    return {entry["name"].removeprefix(_PREFIX): entry["value"] for entry in properties}
