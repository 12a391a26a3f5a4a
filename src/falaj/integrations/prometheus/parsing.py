"""Text as families again, to put the pages of several processes on one.

Reads what Falaj's model servers and Envoy write: text format 0.0.4, without timestamps of samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from falaj.integrations.prometheus.errors import ExpositionError
from falaj.integrations.prometheus.families import Family, FamilyKind, Sample

_SERIES = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?")
_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_SUFFIXES = {FamilyKind.HISTOGRAM: ("_bucket", "_sum", "_count"), FamilyKind.SUMMARY: ("_sum", "_count")}


@dataclass
class _Draft:
    """A family while its page is read."""

    kind: FamilyKind = FamilyKind.UNTYPED
    help: str = ""
    samples: list[Sample] = field(default_factory=list)


def parse(text: str) -> list[Family]:
    """The families of a page, in its order; a series without a TYPE before it is untyped.

    Raises:
        ExpositionError: A line is neither a comment nor a series; names it.
    """
    drafts: dict[str, _Draft] = {}
    for line in text.split("\n"):
        if line.startswith("#"):
            _comment(line, drafts)
        elif line.strip():
            _series(line.strip(), drafts)
    return [Family(name, each.kind, each.help, tuple(each.samples)) for name, each in drafts.items()]


def labelled(families: Iterable[Family], labels: Mapping[str, str]) -> list[Family]:
    """The families with more labels on each sample; a label that is there already stays as it is."""
    return [
        replace(family, samples=tuple(replace(each, labels={**labels, **each.labels}) for each in family.samples))
        for family in families
    ]


def merged(pages: Iterable[Iterable[Family]]) -> list[Family]:
    """One page out of several: families of one name become one, with the kind and help of the first."""
    grouped: dict[str, list[Family]] = {}
    for family in (each for page in pages for each in page):
        grouped.setdefault(family.name, []).append(family)
    return [replace(same[0], samples=tuple(chain(*(each.samples for each in same)))) for same in grouped.values()]


def _comment(line: str, drafts: dict[str, _Draft]) -> None:
    word, _, rest = line.removeprefix("#").strip().partition(" ")
    name, _, content = rest.partition(" ")
    if word == "HELP":
        drafts.setdefault(name, _Draft()).help = _unescaped(content)
    elif word == "TYPE" and content in set(FamilyKind):
        drafts.setdefault(name, _Draft()).kind = FamilyKind(content)
    elif word == "TYPE":
        raise ExpositionError(f"{name} has a type that is none: {content!r}")


def _series(line: str, drafts: dict[str, _Draft]) -> None:
    match = _SERIES.fullmatch(line)
    if match is None:
        raise ExpositionError(f"this is not a series: {line[:200]!r}")
    name, suffix = _split(match["name"], drafts)
    sample = Sample(_labels(match["labels"] or "", line), _value(match["value"], line), suffix)
    drafts.setdefault(name, _Draft()).samples.append(sample)


def _split(name: str, drafts: Mapping[str, _Draft]) -> tuple[str, str]:
    """The family that a series belongs to, and what its name says beyond that."""
    for suffix in ("_bucket", "_sum", "_count"):
        draft = drafts.get(name.removesuffix(suffix))
        if name.endswith(suffix) and draft is not None and suffix in _SUFFIXES.get(draft.kind, ()):
            return name.removesuffix(suffix), suffix
    return name, ""


def _labels(text: str, line: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    position = 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            raise ExpositionError(f"these are not labels: {line[:200]!r}")
        labels[pair[1]] = _unescaped(pair[2])
        position = pair.end()
    return labels


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value)


def _value(text: str, line: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ExpositionError(f"this has no value: {line[:200]!r}") from None
