from __future__ import annotations

from dataclasses import replace

import pytest

from falaj.storage import Database
from falaj.trust.lineage import Served, began, ended, history, served_at

pytestmark = pytest.mark.integration

FIRST = Served("prod", "m", "local", 1, "C-1", 10.0)


def test_what_was_live_at_any_time(database: Database) -> None:
    with database.transaction() as session:
        began(session, FIRST)
        began(session, replace(FIRST, release=2, change_id="C-2", began_at=20.0))
        ended(session, "prod", "m", "local", 30.0)
    with database.reading() as session:
        releases = {
            at: [serving_period.release for serving_period in served_at(session, "prod", "m", at)]
            for at in (9, 10, 19, 20, 31)
        }
        assert releases == {9: [], 10: [1], 19: [1], 20: [2], 31: []}
        assert [serving_period.release for serving_period in history(session, "prod", "m")] == [2, 1]
        assert history(session, "prod", "m")[1] == replace(FIRST, ended_at=20.0)


def test_an_agent_that_says_it_again_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        began(session, FIRST)
        began(session, replace(FIRST, began_at=15.0, change_id=None))
    with database.reading() as session:
        assert history(session, "prod", "m") == [FIRST]


def test_locations_are_apart(database: Database) -> None:
    with database.transaction() as session:
        began(session, FIRST)
        began(session, replace(FIRST, location="edge", release=2))
        ended(session, "prod", "m", "edge", 12.0)
    with database.reading() as session:
        assert [
            (serving_period.location, serving_period.release)
            for serving_period in served_at(session, "prod", "m", 11.0)
        ] == [
            ("edge", 2),
            ("local", 1),
        ]
        assert [serving_period.location for serving_period in served_at(session, "prod", "m", 13.0)] == ["local"]
