"""From an event that was written to a receiver that took it, on both databases, with a real receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.notifications import NotificationSpec, SubscriberKind
from falaj.integrations.notifications import (
    MOST_ATTEMPTS,
    Courier,
    SsrfSafeClient,
    Subscription,
    UnknownSubscriberError,
    announce,
    effect_of,
    overview,
    resend,
    sign,
    unannounced,
    waiting,
)
from falaj.storage import Database, EventRow, OutboxRow
from falaj.storage.durable import Outbox
from falaj.storage.notification_tables import AnnouncementRow, NotificationRow
from tests.receivers import Receiver, answer, receiving
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

SECRET = "correct horse battery staple"
SOURCE = "https://falaj.example.org"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as http_receiver:
        yield http_receiver


@dataclass
class Office:
    """Subscribers, an outbox, and a clock that a test moves."""

    database: Database
    subscribers: list[NotificationSpec]
    secret: str | None = SECRET
    now: float = 1000.0
    courier: Courier = field(init=False)

    def __post_init__(self) -> None:
        postman = SsrfSafeClient(timeout_s=HANGS_AFTER_S)
        self.courier = Courier(self.database, SOURCE, self._find, lambda: self.now, postman)

    def _find(self, _session: Session, subscriber: str) -> Subscription | None:
        subscriber_row = next((each for each in self.subscribers if each.id == subscriber), None)
        return None if subscriber_row is None else Subscription(subscriber_row, self.secret)

    def write(self, *kinds: str) -> None:
        with self.database.transaction() as session:
            for kind in kinds:
                session.add(EventRow(at=self.now, subject="change/c1", kind=kind, data={"reason": "x"}))

    def announce(self) -> int:
        with self.database.transaction() as session:
            return announce(session, self.subscribers, self.now)

    def deliver(self) -> int:
        handlers = {effect_of(each): self.courier.deliver for each in self.waiting()}
        return Outbox(self.database, handlers).run_due(self.now) if handlers else 0

    def waiting(self) -> list[str]:
        with self.database.reading() as session:
            return waiting(session)

    def states(self) -> list[tuple[str, int]]:
        with self.database.reading() as session:
            rows = session.scalars(select(NotificationRow).order_by(NotificationRow.event_id))
            return [(row.state, row.attempts) for row in rows]


@pytest.fixture
def office(database: Database, receiver: Receiver) -> Office:
    spec = NotificationSpec(receiver.url, ("change.*", "rollout.paused"), "TICKETS", allow_private=True)
    return Office(database, [spec])


def test_what_a_subscriber_wants_arrives_once_and_nothing_else(office: Office, receiver: Receiver) -> None:
    office.write("change.requested", "rollout.paused", "rollout.resumed", "run.ended", "step.log", "changes.odd")
    assert office.announce() == 4  # what steps print is not even offered
    assert office.deliver() == 2 and office.announce() == 0 and office.deliver() == 0
    kinds = [json.loads(each.body)["type"] for each in receiver.requests]
    assert kinds == ["dev.falaj.change.requested", "dev.falaj.rollout.paused"]
    first = receiver.requests[0]
    assert first.headers["content-type"] == "application/cloudevents+json"
    signature_headers = sign(SECRET, json.loads(first.body)["id"], first.body, office.now)
    assert {name: first.headers[name] for name in signature_headers} == dict(signature_headers)
    assert office.states() == [("delivered", 1), ("delivered", 1)] and not office.waiting()


def test_an_event_that_was_not_committed_is_not_told(office: Office, database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        session.add(EventRow(at=1.0, subject="change/c1", kind="change.requested", data={}))
        session.flush()
        assert unannounced(session)
        raise RuntimeError
    assert office.announce() == 0


def test_an_event_that_is_committed_late_is_told_nevertheless(
    office: Office, database: Database, receiver: Receiver
) -> None:
    """Ids are given before commits: a cursor over them would have passed the one that comes late."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer, whose ids are in the order of commits")
    with database.transaction() as late:
        late.add(EventRow(at=1.0, subject="change/c0", kind="change.requested", data={}))
        late.flush()
        office.write("change.approval")
        assert office.announce() == 1 and office.deliver() == 1
    assert office.announce() == 1 and office.deliver() == 1
    assert [json.loads(each.body)["sequence"][-1] for each in receiver.requests] == ["2", "1"]


def test_a_failure_is_sent_again_with_the_same_bytes_and_id_and_a_new_signature(
    office: Office, receiver: Receiver
) -> None:
    receiver.behaviour = lambda handler: answer(handler, 503)
    office.write("change.requested")
    office.announce()
    assert office.deliver() == 0 and office.states() == [("waiting", 1)]
    receiver.behaviour = lambda handler: answer(handler, 200)
    office.now += 2
    assert office.deliver() == 1 and office.states() == [("delivered", 2)]
    first, second = receiver.requests
    assert first.body == second.body and first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]) == ("1000", "1002")
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_after_many_attempts_it_is_kept_as_failed_and_can_be_sent_again(office: Office, receiver: Receiver) -> None:
    receiver.behaviour = lambda handler: answer(handler, 500)
    office.write("change.requested")
    office.announce()
    begun = office.now
    while office.waiting():
        office.now += 301
        office.deliver()
    assert len(receiver.requests) == MOST_ATTEMPTS and office.states() == [("failed", MOST_ATTEMPTS)]
    assert office.now - begun > 3600
    (shown,) = _overview(office)
    assert (shown.failed, shown.last_error, shown.last_delivery) == (1, "it answered 500", None)
    assert [(each.kind, each.attempts) for each in shown.failures] == [("change.requested", MOST_ATTEMPTS)]
    receiver.behaviour = lambda handler: answer(handler, 202)
    with office.database.transaction() as session:
        assert resend(session, shown.id, None, office.now) == 1
        assert resend(session, shown.id, None, office.now) == 0
    assert office.deliver() == 1 and office.states() == [("delivered", 1)]
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
    assert _overview(office)[0].last_delivery == office.now


def test_one_event_can_be_sent_again_alone(office: Office, receiver: Receiver) -> None:
    office.write("change.requested", "change.approval")
    office.announce()
    with office.database.transaction() as session:
        rows = session.scalars(select(NotificationRow).order_by(NotificationRow.event_id)).all()
        for row in rows:
            row.state = "failed"
        assert resend(session, rows[0].subscriber, rows[1].event_id, office.now) == 1
        with pytest.raises(UnknownSubscriberError):
            resend(session, "0" * 12, None, office.now)
    assert [state for state, _ in office.states()] == ["failed", "waiting"]


def test_one_that_does_not_answer_keeps_the_rest_waiting_no_longer_than_once(
    office: Office, receiver: Receiver
) -> None:
    office.subscribers = [replace(office.subscribers[0], url="http://127.0.0.1:1/closed")]
    office.write(*["change.requested"] * 5)
    office.announce()
    office.deliver()
    with office.database.reading() as session:
        errors = list(session.scalars(select(NotificationRow.last_error).order_by(NotificationRow.event_id)))
    assert errors == ["no answer: ConnectError", *["no answer a moment ago"] * 4]


def test_a_secret_that_is_not_set_is_said_and_waited_for(office: Office, receiver: Receiver) -> None:
    office.secret = None
    office.write("change.requested")
    office.announce()
    office.deliver()
    assert not receiver.requests and "falaj platform secret set TICKETS" in _overview(office)[0].last_error
    office.secret, office.now = SECRET, office.now + 2
    assert office.deliver() == 1


def test_what_is_on_its_way_to_one_that_was_removed_is_withdrawn(office: Office, receiver: Receiver) -> None:
    office.write("change.requested")
    office.announce()
    office.subscribers = []
    assert office.deliver() == 1 and office.states() == [("withdrawn", 0)]
    assert not receiver.requests and _overview(office) == []


def test_with_nobody_to_tell_nothing_is_kept(office: Office, database: Database) -> None:
    office.subscribers = []
    office.write("change.requested")
    assert office.announce() == 1
    with database.reading() as session:
        for table in (AnnouncementRow, NotificationRow, OutboxRow):
            assert session.scalar(select(table)) is None


def test_a_query_of_an_address_is_not_shown(office: Office) -> None:
    office.subscribers = [replace(office.subscribers[0], url="https://hooks.example.org/in?token=s3cret")]
    assert _overview(office)[0].url == "https://hooks.example.org/in?..."


def _overview(office: Office) -> list:  # type: ignore[type-arg]
    with office.database.reading() as session:
        return overview(session, office.subscribers)


@pytest.mark.parametrize(("kind", "key"), [("slack", "blocks"), ("teams", "attachments")])
def test_a_channel_is_written_to_at_the_address_that_its_secret_is(
    database: Database, receiver: Receiver, kind: SubscriberKind, key: str
) -> None:
    spec = NotificationSpec("", ("change.*",), "CHANNEL", allow_private=True, kind=kind)
    office = Office(database, [spec], secret=f"{receiver.url}?token=s3cret\n")
    office.write("change.requested")
    assert office.announce() == 1 and office.deliver() == 1
    (request,) = receiver.requests
    assert request.path.endswith("?token=s3cret") and key in json.loads(request.body)
    assert "webhook-signature" not in request.headers


@pytest.mark.parametrize(
    "secret", ["hooks.slack.example/x", "http://127.0.0.1:9/x", "file:///etc/passwd", "https://a b"]
)
def test_a_secret_that_is_no_address_is_an_error_that_does_not_show_it(database: Database, secret: str) -> None:
    office = Office(database, [NotificationSpec("", ("change.*",), "CHANNEL", kind="slack")], secret=secret)
    office.write("change.requested")
    office.announce()
    office.deliver()
    with database.reading() as session:
        (row,) = session.scalars(select(NotificationRow))
    assert "the secret CHANNEL is not the https address" in row.last_error and secret not in row.last_error
