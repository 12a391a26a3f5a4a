"""The command about notifications, against a real server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from falaj.config.notifications import NotificationSpec
from falaj.config.platform_spec import PlatformSpec
from falaj.storage import EventRow
from falaj.storage.notification_tables import NotificationRow
from falaj.trust import settings
from tests.cli.conftest import Command
from tests.platforms import Served

pytestmark = pytest.mark.integration

SPEC = NotificationSpec("https://tickets.example.org/hooks?token=s3cret", ("change.*",), "TICKETS")


@pytest.fixture
def subscribed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One subscriber, which took an event and refused another for good."""
    spec = replace(PlatformSpec.default(), notifications=(SPEC,))
    monkeypatch.setattr(settings, "current", lambda _session: spec)
    with served.platform.database.transaction() as session:
        for state, error in (("delivered", ""), ("failed", "it answered 500")):
            event = EventRow(at=1.0, subject="change/c1", kind="change.requested", data={})
            session.add(event)
            session.flush()
            session.add(
                NotificationRow(
                    event_id=event.id, subscriber=SPEC.id, state=state, round=1, attempts=20, last_error=error,
                    created_at=1.0, updated_at=2.0,
                )
            )  # fmt: skip


def test_nobody_is_told_of_anything_at_first(falaj_served: Command) -> None:
    assert "no subscribers" in falaj_served("platform", "notification", "list").stdout


@pytest.mark.usefixtures("subscribed")
def test_subscribers_are_listed_with_what_did_not_arrive(falaj_served: Command) -> None:
    shown = falaj_served("platform", "notification", "list")
    assert (shown.returncode, shown.stderr) == (0, "") and "s3cret" not in shown.stdout
    headings, row, *trouble = shown.stdout.splitlines()
    assert headings.split()[:3] == ["SUBSCRIBER", "ADDRESS", "EVENTS"] and row.split()[3:6] == ["1", "0", "1"]
    assert trouble[0] == f"{SPEC.id}: it answered 500"
    assert "change.requested of change/c1: given up after 20 attempts" in trouble[1]
    (listed,) = json.loads(falaj_served("platform", "notification", "list", "--json").stdout)
    assert (listed["id"], listed["failed"], len(listed["failures"])) == (SPEC.id, 1, 1)
    refused = falaj_served("platform", "notification", "resend", SPEC.id)
    assert refused.returncode != 0 and "manage-platform" in refused.stderr
