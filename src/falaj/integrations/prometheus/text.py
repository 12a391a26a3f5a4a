"""Families as text.

Source: Prometheus, "Exposition formats", text-based format, version 0.0.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from falaj.integrations.prometheus.errors import ExpositionError
from falaj.integrations.prometheus.families import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EXACT = 2.0**53


def render(families: Iterable[Family]) -> str:
    """The text that a scrape reads; a family without samples is left out.

    Raises:
        ExpositionError: Two families have one name, or two samples of one have the same labels.
    """
    names: set[str] = set()
    lines: list[str] = []
    for family in families:
        if family.name in names:
            raise ExpositionError(f"two families are called {family.name}")
        names.add(family.name)
        lines += _family(family) if family.samples else ()
    return "".join(f"{line}\n" for line in lines)


def _family(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help, quote=False)}"
    yield f"# TYPE {family.name} {family.kind}"
    visited: set[str] = set()
    for sample in family.samples:
        series = f"{family.name}{sample.suffix}{_labels(sample.labels)}"
        if series in visited:
            raise ExpositionError(f"the series {series} comes twice")
        visited.add(series)
        yield f"{series} {_number(sample.value)}"


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str, *, quote: bool = True) -> str:
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quote else escaped


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < _EXACT else repr(float(value))
