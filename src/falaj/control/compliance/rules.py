"""The rules that hold now: the settings in force, and the records that the installation believes."""

from __future__ import annotations

from sqlalchemy.orm import Session

from falaj.config.uae_pack import uae_settings
from falaj.control.compliance.gates import Rules
from falaj.control.compliance.label_lineage import retained
from falaj.control.compliance.labels import DataClassification
from falaj.control.compliance.regimes import entity_of
from falaj.control.compliance.register import believed
from falaj.control.compliance.retention import locks, longest_s
from falaj.supply_chain.attestations import Keyring
from falaj.trust import settings


def rules_in_force(session: Session, keyring: Keyring, now: float, model: str | None = None) -> Rules | None:
    """By what releases and trainings are judged; None where the pack is not on.

    Args:
        session: Reads settings and records.
        keyring: Of the installation, for the signatures of records.
        now: Unix seconds.
        model: Only records about this model, or about every one.
    """
    spec = settings.current(session)
    pack = uae_settings(spec)
    if pack is None:
        return None
    return Rules(entity_of(spec.entity), pack, believed(session, keyring, model), now)


def locks_now(session: Session, now: float) -> dict[str, float]:
    """Snapshots that must be kept now, with the time until when; none where the pack is not on."""
    spec = settings.current(session)
    pack = uae_settings(spec)
    return {} if pack is None else locks(retained(session), entity_of(spec.entity), pack, now)


def predictions_locked_s(session: Session) -> float:
    """How long every prediction must be kept, in seconds; 0 where no law asks for it.

    A log holds features of all models of a location, so the strictest law holds for all of it: that of what the entity
    does with people's data, and that of any data that was ever labelled.
    """
    spec = settings.current(session)
    pack = uae_settings(spec)
    if pack is None:
        return 0.0
    entity = entity_of(spec.entity)
    of_people = DataClassification("predictions", "personal", "general", entity.jurisdiction)
    return longest_s([of_people, *(each.label for each in retained(session))], entity, pack)
