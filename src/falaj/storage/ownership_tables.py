"""Which project a line of releases belongs to."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base
from falaj.supply_chain.attestations.keyring import MODEL_OWNER


class ModelOwnerRow(SealedRow, Base):
    """The one project that may publish releases of a model: the first that did, or where an administrator moved it."""

    __tablename__ = "model_owners"
    fact_type, permanent = MODEL_OWNER, True
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    since: Mapped[float]
    decided_by: Mapped[str] = mapped_column(String(200))
