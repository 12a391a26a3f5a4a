"""Models that belong to a project, for tests that put releases into the database by hand."""

from __future__ import annotations

from sqlalchemy.orm import Session

from falaj.control.releases import owners


def own(session: Session, model: str, project: str) -> None:
    """Make a model a project's, as its first release does."""
    session.flush()
    owners.claim(session, model, project, "workload:worker/local", 0.0)
