"""How many labelled rows there are to learn from: those of the newest training, and the labels that came since."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.control import releases
from falaj.control.retraining.growth import LabelledGrowth
from falaj.control.retraining.model_settings import RetrainSettings
from falaj.storage import ReleaseRow
from falaj.storage.monitoring_tables import ProfileBlockRow
from falaj.storage.retraining_tables import RetrainingRow


def known_labels(session: Session, model: str) -> int:
    """Labels of answers of all releases of a model, of which locations have told."""
    labelled = ProfileBlockRow.losses["labelled"].as_integer()
    query = select(func.sum(labelled)).where(ProfileBlockRow.model == model, ProfileBlockRow.arm == "answered")
    return int(session.scalar(query) or 0)


def labels_since(session: Session, settings: RetrainSettings) -> int:
    """Labels that came since the newest release was first looked at; 0 before that."""
    memory = session.get(RetrainingRow, settings.release.model)
    before = (memory.observations if memory else {}).get("labels", {})
    if before.get("release") != settings.release.number:
        return 0
    return max(0, known_labels(session, settings.release.model) - int(before["total"]))


def learned_rows(release: ReleaseRow) -> int:
    """Rows that a release was trained on; 0 when its run could not count them."""
    return int(release.data.get("learned_rows") or 0)


def labelled_rows(session: Session, settings: RetrainSettings) -> int:
    """Labelled rows that a training could learn from now; 0 when nobody counts them."""
    learned = learned_rows(settings.release)
    return learned + labels_since(session, settings) if learned else 0


def growth_of(session: Session, settings: RetrainSettings) -> LabelledGrowth:
    """How the labelled rows have grown since the training of the release that is live, else of the newest."""
    model = releases.live(session, settings.release.model) or settings.release
    learned = learned_rows(model)
    now = labelled_rows(session, settings) if learned else labels_since(session, settings)
    return LabelledGrowth(learned, now, model.created_at)
