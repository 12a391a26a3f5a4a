"""What data is, as far as law asks: how sensitive, of which business, from where, and whether people are in it (pure).

Labels are written on sources in falaj.yaml and signed as dataset evidence of every release. They only ever add up: a
model has the labels of all data that reached it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_SECTORS = frozenset({"health", "banking", "government"})
"""Classifications that name a business."""
_OF_PEOPLE = frozenset({"personal", "health", "banking"})


class Labelled(Protocol):
    """A source of a project file, or a signed dataset."""

    @property
    def name(self) -> str:
        """The name in falaj.yaml."""
        ...

    @property
    def classification(self) -> str:
        """How sensitive it is."""
        ...

    @property
    def sector(self) -> str:
        """The business whose law covers it, or empty."""
        ...

    @property
    def origin(self) -> str:
        """ISO 3166 code."""
        ...

    @property
    def subject_key(self) -> str:
        """The column that says whose each row is, or empty."""
        ...


@dataclass(frozen=True, order=True)
class DataClassification:
    """What one source of data is.

    Args:
        name: The name in falaj.yaml.
        classification: `public`, `internal`, `confidential`, `personal`, `health`, `banking` or `government`.
        sector: `general`, `health`, `banking`, `insurance` or `government`.
        origin: ISO 3166 code of the jurisdiction that it comes from.
        subject_key: The column that says whose each row is; empty when none does.
    """

    name: str
    classification: str
    sector: str
    origin: str
    subject_key: str = ""

    @property
    def personal(self) -> bool:
        """Whether people are in it."""
        return self.classification in _OF_PEOPLE or bool(self.subject_key)

    @property
    def restricted(self) -> bool:
        """Whether it stays in its country unless somebody lets it go: data of people, banks, health, governments."""
        return self.personal or self.classification in _SECTORS

    @property
    def country(self) -> str:
        """The country of its origin."""
        return country_of(self.origin)


def label_of(data: Labelled) -> DataClassification:
    """The label of a source; a classification that names a business says the sector where nothing else does."""
    named = data.classification if data.classification in _SECTORS else "general"
    return DataClassification(data.name, data.classification, data.sector or named, data.origin, data.subject_key)


def labels_of(data: Iterable[Labelled]) -> tuple[DataClassification, ...]:
    """The labels of what reached a model, each once."""
    return tuple(sorted({label_of(each) for each in data}))


def country_of(code: str) -> str:
    """The country of a jurisdiction: `AE` of `AE-DU`."""
    return code.partition("-")[0]
