"""What the server signs by itself."""

from __future__ import annotations

import pytest

from falaj.api.controller import Controller
from falaj.api.platform import Platform
from falaj.trust import audit
from falaj.trust.audit import record

pytestmark = pytest.mark.integration


def test_how_far_the_log_has_grown_is_signed_without_being_asked(platform: Platform) -> None:
    with platform.database.transaction() as session:
        record.write(session, "run.queued", "user:omar", "run/1", 1.0)
    controller = Controller(platform, "test")
    controller.sign_what_is_due()
    with platform.database.reading() as session:
        signed = audit.newest_checkpoint(session)
        assert signed is not None and int(signed.splitlines()[1]) == audit.size_of(session)
    with platform.database.transaction() as session:
        record.write(session, "run.queued", "user:omar", "run/2", 2.0)
    controller.sign_what_is_due()
    with platform.database.reading() as session:
        assert audit.newest_checkpoint(session) == signed, "not with every turn"
