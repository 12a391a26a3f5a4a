"""Refused attempts: each becomes an entry of the audit log, in a transaction of its own."""

from __future__ import annotations

import logging

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from falaj.api.platform import Platform
from falaj.core.errors import FalajError
from falaj.trust import audit
from falaj.trust.policy import ForbiddenError

logger = logging.getLogger(__name__)


def record(request: Request, error: ForbiddenError) -> None:
    """Write down who was refused what; a log that cannot be written leaves the attempt refused.

    Args:
        request: The attempt.
        error: Why it was refused.
    """
    platform: Platform = request.app.state.platform
    details = {
        "action": error.action.value,
        "policies": list(error.decision.policy_ids),
        "method": request.method,
        "path": request.url.path,
    }
    try:
        entry = audit.AuditEntry("access.denied", error.principal.id, str(error.resource), details, "denied")
        with platform.database.transaction() as session:
            audit.append(session, entry, platform.now())
    except (FalajError, SQLAlchemyError):
        logger.exception("a refused attempt could not be written to the audit log")
