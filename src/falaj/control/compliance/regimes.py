"""Which law data is under, found out from who processes it, what it is and where it is from (pure).

Source: Federal Decree-Law 45/2021, article 2 (what PDPL leaves to other laws); Federal Law 2/2019 (health); the Central
Bank's Outsourcing Regulation; DIFC Law 5/2020; ADGM Data Protection Regulations 2021. Configuration, not legal advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from falaj.control.compliance.labels import DataClassification, country_of

HOME = "AE"
_ZONES = {"difc": "AE-DIFC", "adgm": "AE-ADGM"}
_BANKING = frozenset({"banking", "insurance"})


class Regime(StrEnum):
    """A law, by the word that people use for it."""

    PDPL = "pdpl"
    HEALTH = "health"
    CBUAE = "cbuae"
    GOVERNMENT = "government"
    DIFC = "difc"
    ADGM = "adgm"


LAWS: Mapping[Regime, str] = {
    Regime.PDPL: "Federal Decree-Law 45/2021 (PDPL)",
    Regime.HEALTH: "Federal Law 2/2019 (ICT Health Law) and Ministerial Decision 51/2021",
    Regime.CBUAE: "CBUAE Outsourcing Regulation and Consumer Protection Standards",
    Regime.GOVERNMENT: "rules of the government whose data it is",
    Regime.DIFC: "DIFC Law 5/2020 and Regulation 10",
    Regime.ADGM: "ADGM Data Protection Regulations 2021",
}


@dataclass(frozen=True)
class LegalEntity:
    """Who processes the data.

    Args:
        jurisdiction: ISO 3166 code of where it is established.
        regime: `mainland`, `difc` or `adgm`.
        sector: `general`, `health`, `banking`, `insurance` or `government`.
        name: For reports.
        declared: False when platform.yaml does not say, so that the strictest is taken.
    """

    jurisdiction: str = HOME
    regime: str = "mainland"
    sector: str = "general"
    name: str = ""
    declared: bool = False


def entity_of(value: Mapping[str, str]) -> LegalEntity:
    """The entity that platform.yaml declares; one of the mainland of the UAE where it declares none."""
    return LegalEntity(**value, declared=True) if value else LegalEntity()


def regimes_of(entity: LegalEntity, label: DataClassification) -> frozenset[Regime]:
    """The laws that data is under; none for data that is under none of them.

    Health data is under its own law in the free zones too. What a bank of a free zone does is that zone's matter, and
    PDPL leaves to other laws what health, banking and government data have of their own.
    """
    sector = entity.sector if label.personal and label.sector == "general" else label.sector
    at_home = country_of(entity.jurisdiction) == HOME
    zone = Regime(entity.regime) if at_home and entity.regime in _ZONES else None
    ours = label.country == HOME
    if label.classification == "public" and not label.subject_key:
        return frozenset()
    if sector == "government" and ours:
        return frozenset({Regime.GOVERNMENT})
    regime_set = {zone} if zone and label.personal else set()
    if sector == "health" and ours:
        return frozenset({*regime_set, Regime.HEALTH})
    if sector in _BANKING and ours and zone is None:
        return frozenset({Regime.CBUAE})
    if not regime_set and label.personal and (at_home or ours):
        regime_set = {Regime.PDPL}
    return frozenset(regime_set)


def regimes_of_all(entity: LegalEntity, labels: Iterable[DataClassification]) -> frozenset[Regime]:
    """The laws that any of the data is under."""
    return frozenset(regime for label in labels for regime in regimes_of(entity, label))


def leaves(regime: Regime, jurisdiction: str) -> bool:
    """Whether data that is somewhere has left where a law holds.

    A free zone has a data protection law of its own: for it, the rest of the country is elsewhere.
    """
    zone = _ZONES.get(regime.value)
    return jurisdiction != zone if zone else country_of(jurisdiction) != HOME
