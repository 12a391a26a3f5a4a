"""What the database answered a moment ago counts, and what it answered long ago does not."""

from __future__ import annotations

import asyncio

import pytest

from falaj.api.database_probe import CREDIBLE_S, DatabaseProbe, SilentDatabaseError


def test_a_silent_database_is_not_called_healthy() -> None:
    seconds, answers = [0.0], [True]

    def ask() -> None:
        if not answers[0]:
            raise OSError

    probe = DatabaseProbe(ask, lambda: seconds[0])
    asyncio.run(probe.require_answer())
    answers[0], seconds[0] = False, CREDIBLE_S
    asyncio.run(probe.require_answer())
    seconds[0] = CREDIBLE_S + 1
    with pytest.raises(SilentDatabaseError):
        asyncio.run(probe.require_answer())
