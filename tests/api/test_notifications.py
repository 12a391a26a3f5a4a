"""From the platform file to a receiver: applied, signed with a secret of the platform, told, given up, sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from falaj.api.notifier import Notifier
from falaj.api.platform import Platform
from falaj.control.releases import registry
from falaj.integrations.notifications import SsrfSafeClient, sign
from falaj.storage import ReleaseRow
from falaj.storage.audit_tables import AuditLeafRow
from falaj.storage.notification_tables import NotificationRow
from tests.api.people import acting_as, grant, person
from tests.apps import app_of
from tests.receivers import Receiver, answer, receiving
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.integration

VALUE = "correct horse battery staple"
NOTIFICATIONS = "/api/v1/notifications"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as http_receiver:
        yield http_receiver


@pytest.fixture
def admin(platform: Platform) -> Iterator[TestClient]:
    grant(platform.database, "admin", "admin")
    with acting_as(app_of(platform), person("admin", step_up_at=platform.now(), step_up_method="login")) as client:
        yield client


@pytest.fixture
def subscribed_client(admin: TestClient, receiver: Receiver) -> TestClient:
    """The administrator, after the receiver was applied."""
    text = f"notifications: [{{url: '{receiver.url}', events: [release.*], secret: TICKETS, allow_private: true}}]"
    planned = admin.post("/api/v1/platform/plan", json={"name": "platform.yaml", "text": text}).json()
    assert [each["loosens"] for each in planned["differences"]] == [True], "others learn something: it is pointed out"
    assert admin.post("/api/v1/platform/apply", json={"name": "platform.yaml", "text": text}).status_code == 200
    assert admin.put("/api/v1/platform/secrets/TICKETS", json={"value": VALUE}).status_code == 200
    return admin


def archive(platform: Platform) -> None:
    with platform.database.transaction() as session:
        row = ReleaseRow(
            model="delay", number=1, project="flights", run_id="r1", commit="c", digest="d", state="candidate", data={},
            created_at=1.0,
        )  # fmt: skip
        session.add(row)
        registry.move(session, row, "archive", "user:ana", platform.now(), "of no use")


def test_what_happens_to_a_release_arrives_signed(
    subscribed_client: TestClient, platform: Platform, receiver: Receiver
) -> None:
    notifier = Notifier(platform)
    notifier.turn()
    archive(platform)
    assert notifier.turn() == 1 and notifier.turn() == 0
    (shown,) = subscribed_client.get(NOTIFICATIONS).json()
    assert (shown["url"], shown["waiting"], shown["delivered"]) == (receiver.url, 1, 0)
    assert notifier.deliver(shown["id"]) == 1
    (delivery,) = receiver.requests
    event = json.loads(delivery.body)
    assert (event["type"], event["subject"]) == ("dev.falaj.release.archive", "release/delay@1")
    assert event["data"] == {"actor": "user:ana", "from": "candidate", "to": "archived", "reason": "of no use"}
    assert event["source"] == platform.home.public_url
    again = sign(VALUE, event["id"], delivery.body, float(delivery.headers["webhook-timestamp"]))
    assert delivery.headers["webhook-signature"] == again["webhook-signature"]
    assert subscribed_client.get(NOTIFICATIONS).json()[0]["delivered"] == 1


def test_the_thread_delivers_by_itself(subscribed_client: TestClient, platform: Platform, receiver: Receiver) -> None:
    notifier = Notifier(platform, SsrfSafeClient(timeout_s=HANGS_AFTER_S))
    notifier.start()
    try:
        archive(platform)
        until(lambda: subscribed_client.get(NOTIFICATIONS).json()[0]["delivered"] == 1)
    finally:
        notifier.stop()
    assert len(receiver.requests) == 1


def test_what_was_given_up_is_sent_again_by_an_administrator(
    subscribed_client: TestClient, platform: Platform, receiver: Receiver
) -> None:
    receiver.behaviour = lambda handler: answer(handler, 404)
    notifier = Notifier(platform)
    archive(platform)
    notifier.turn()
    subscriber = subscribed_client.get(NOTIFICATIONS).json()[0]["id"]
    assert notifier.deliver(subscriber) == 0
    with platform.database.transaction() as session:
        session.scalars(select(NotificationRow)).one().state = "failed"
    (shown,) = subscribed_client.get(NOTIFICATIONS).json()
    assert (shown["failed"], shown["failures"][0]["error"]) == (1, "it answered 404")
    receiver.behaviour = lambda handler: answer(handler, 200)
    path = f"{NOTIFICATIONS}/{subscriber}/resend"
    grant(platform.database, "omar", "release-manager")
    with acting_as(app_of(platform), "omar") as other:
        assert other.post(path, json={}).status_code == 403
    assert subscribed_client.post(path, json={}).json() == {"count": 1}
    assert notifier.deliver(subscriber) == 1 and len(receiver.requests) == 2
    with platform.database.reading() as session:
        kinds = list(session.scalars(select(AuditLeafRow.kind)))
    assert kinds.count("notification.resent") == 1


def test_nothing_was_sent_to_a_subscriber_that_nobody_knows(subscribed_client: TestClient) -> None:
    answered = subscribed_client.post(f"{NOTIFICATIONS}/{'0' * 12}/resend", json={})
    assert (answered.status_code, answered.json()["code"]) == (404, "notifications.unknown")
    assert subscribed_client.post(f"{NOTIFICATIONS}/x/resend", json={}).status_code == 400


def test_a_secret_of_the_platform_is_listed_without_its_value_and_forgotten(subscribed_client: TestClient) -> None:
    listed = subscribed_client.get("/api/v1/platform/secrets")
    assert [(each["project"], each["name"]) for each in listed.json()] == [("", "TICKETS")] and VALUE not in listed.text
    assert subscribed_client.put("/api/v1/platform/secrets/TICKETS", json={"value": "short"}).status_code == 400
    assert subscribed_client.delete("/api/v1/platform/secrets/TICKETS").status_code == 204
    assert subscribed_client.delete("/api/v1/platform/secrets/TICKETS").json()["code"] == "secret.unknown"
