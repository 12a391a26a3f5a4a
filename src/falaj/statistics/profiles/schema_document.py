"""The JSON document of a schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from falaj.statistics.profiles.category_cells import CategoryCells
from falaj.statistics.profiles.columns import ProfileKind
from falaj.statistics.profiles.errors import ProfileFormatError
from falaj.statistics.profiles.grids import LinearGrid, LogGrid
from falaj.statistics.profiles.number_cells import NumberCells

FORM = "falaj/profile-schema/1"
Cells = NumberCells | CategoryCells


def encode(features: Sequence[Cells], joint: Sequence[str]) -> dict[str, Any]:
    """A schema as a document."""
    return {"form": FORM, "features": [_encoded(cells) for cells in features], "joint": list(joint)}


def _encoded(cells: Cells) -> dict[str, Any]:
    if isinstance(cells, NumberCells):
        shape = {"log" if isinstance(cells.grid, LogGrid) else "linear": dict(vars(cells.grid))}
        return {
            "name": cells.name,
            "kind": ProfileKind.NUMBER.value,
            "grid": shape,
            "starts": list(cells.starts),
            "atoms": list(cells.atoms),
            "scores": list(cells.scores),
        }
    return {
        "name": cells.name,
        "kind": ProfileKind.CATEGORY.value,
        "levels": list(cells.levels),
        "others": sorted(cells.others),
        "types": sorted(cells.types),
        "scores": list(cells.scores),
        "salt": cells.salt.hex(),
    }


def decode(document: Mapping[str, Any]) -> tuple[tuple[Cells, ...], tuple[str, ...]]:
    """Read a document.

    Raises:
        ProfileFormatError: It is no schema of a known version.
    """
    if document.get("form") != FORM:
        raise ProfileFormatError(f"this is not a profile schema of the form {FORM}: {document.get('form')!r}")
    try:
        return tuple(_decoded(feature) for feature in document["features"]), tuple(document["joint"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProfileFormatError(f"the profile schema is damaged: {error!r}") from error


def _decoded(feature: Mapping[str, Any]) -> Cells:
    scores = tuple(int(score) for score in feature["scores"])
    if ProfileKind(feature["kind"]) is ProfileKind.NUMBER:
        grid = feature["grid"]
        shape = LogGrid(**grid["log"]) if "log" in grid else LinearGrid(**grid["linear"])
        atoms = tuple(float(value) for value in feature["atoms"])
        return NumberCells(feature["name"], shape, tuple(int(start) for start in feature["starts"]), atoms, scores)
    return CategoryCells(
        feature["name"],
        tuple(feature["levels"]),
        frozenset(feature["others"]),
        frozenset(feature["types"]),
        scores,
        bytes.fromhex(feature["salt"]),
    )
