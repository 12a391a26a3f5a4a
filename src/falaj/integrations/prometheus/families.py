"""A metric family: a name, what it means, and its samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from falaj.integrations.prometheus.errors import ExpositionError

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@cache
def _is_label(name: str) -> bool:
    """Asked once a name, of which there are few, and not once a series, of which there are thousands."""
    return _LABEL.fullmatch(name) is not None and not name.startswith("__")


class FamilyKind(StrEnum):
    """How the samples of a family are to be read."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNTYPED = "untyped"


@dataclass(frozen=True)
class Sample:
    """One series at one moment.

    Args:
        labels: What tells it from the other series of its family.
        value: In the unit that the family's name ends with.
        suffix: After the family's name: `_bucket`, `_sum` or `_count` of a histogram; else empty.

    Raises:
        ExpositionError: The name of a label is none.
    """

    labels: Mapping[str, str]
    value: float
    suffix: str = ""

    def __post_init__(self) -> None:
        for name in self.labels:
            if not _is_label(name):
                raise ExpositionError(f"a label cannot be called {name!r}")


@dataclass(frozen=True)
class Family:
    """All series of one name.

    Args:
        name: With the unit at its end, and `_total` where it is a counter.
        kind: How to read it.
        help: What it says, for people.
        samples: Its series; none may come twice.

    Raises:
        ExpositionError: The name is none.
    """

    name: str
    kind: FamilyKind
    help: str
    samples: tuple[Sample, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ExpositionError(f"a metric cannot be called {self.name!r}")
