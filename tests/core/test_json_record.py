from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pytest

from falaj.core.json_record import JsonRecord


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    pair: tuple[int, float]


@dataclass(frozen=True)
class Record(JsonRecord):
    colour: Colour
    inner: Inner | None = None
    by_number: Mapping[int, float] = field(default_factory=dict)


def test_a_record_survives_json() -> None:
    record = Record(Colour.RED, Inner((1, 2.5)), {3: 0.5})
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_numbers_of_numpy_become_plain() -> None:
    document = Record(Colour.RED, Inner((np.int64(7), np.float64(0.5)))).to_json()
    assert json.dumps(document["inner"]) == '{"pair": [7, 0.5]}'
    with pytest.raises(TypeError, match="ndarray"):
        Record(Colour.RED, Inner((1, np.zeros(2)))).to_json()  # type: ignore[arg-type]


def test_what_is_wrong_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"\$\.inner\.pair"):
        Record.from_json({"colour": "red", "inner": {"pair": ["x", 1]}})
    with pytest.raises(ValueError, match="colour"):
        Record.from_json({})
