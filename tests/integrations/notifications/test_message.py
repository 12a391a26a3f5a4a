"""Events as messages for people: what they say, and that nothing in them is markup."""

from __future__ import annotations

import json

from microsoft_teams.cards import AdaptiveCard
from slack_sdk.models.blocks import Block

from falaj.config.notifications import MailSpec
from falaj.integrations.notifications.cloud_event import Happened
from falaj.integrations.notifications.message import message_of, to_mail, to_slack, to_teams

URL = "https://falaj.example.org"
NASTY = "<!channel> *bold* [x](https://evil.example) \u202eback\r\nBcc: all@example.org \ud800"
EVENT = Happened(
    7, "change.requested", "change/0gq3", 1.0, {"reason": NASTY, "rank": 3, "list": [1], "empty": "", "flag": True}
)


def test_a_message_says_what_happened_of_what_and_where_to_look() -> None:
    message = message_of(EVENT, URL)
    assert (message.title, message.link) == ("change.requested: change/0gq3", f"{URL}/changes/0gq3")
    assert [name for name, _ in message.facts] == ["reason", "rank", "flag"]
    assert message_of(Happened(1, "platform.drift", "platform", 1.0, {}), URL).link == ""
    assert message_of(Happened(1, "change.x", "change/../../x", 1.0, {}), URL).link == ""


def test_text_of_people_has_no_line_ends_nor_turns_around() -> None:
    (_, reason), *_ = message_of(EVENT, URL).facts
    assert not set(reason) & set("\r\n\u202e\ud800") and "Bcc" in reason
    (_, long), *_ = message_of(Happened(1, "a.b", "c", 1.0, {"text": "x" * 10_000}), URL).facts
    assert len(long) == 300


def test_slack_takes_the_blocks_and_mentions_nobody() -> None:
    body = json.loads(to_slack(message_of(EVENT, URL)))
    blocks = Block.parse_all(body["blocks"])
    assert [block.to_dict()["type"] for block in blocks] == ["section", "section", "actions"], (
        "Slack's own models agree"
    )
    assert {block["text"]["type"] for block in body["blocks"] if "text" in block} == {"plain_text"}
    event = Happened(1, "change.<!here>", "change/x", 1.0, {})
    assert "<!" not in json.loads(to_slack(message_of(event, URL)))["text"]


def test_teams_takes_the_card_and_shows_markup_as_it_is() -> None:
    body = json.loads(to_teams(message_of(EVENT, URL)))
    (attachment,) = body["attachments"]
    card = AdaptiveCard.model_validate(attachment["content"])
    assert card.version == "1.4" and len(card.body or []) == 2
    facts = {each["title"]: each["value"] for each in attachment["content"]["body"][1]["facts"]}
    assert "[x](" not in facts["reason"] and r"\[x\]\(" in facts["reason"]


def test_a_mail_has_one_subject_and_the_same_id_each_time() -> None:
    spec = MailSpec("mail", 25, "off", "falaj@example.org", ("ops@example.org", "risk@example.org"))
    event = Happened(7, "change.requested\r\nBcc: x@example.org", "change/0gq3", 1.0, {"reason": NASTY})
    first, second = (to_mail(message_of(event, URL), event, spec, URL) for _ in range(2))
    assert first["Bcc"] is None and first["To"] == "ops@example.org, risk@example.org"
    assert first["Message-ID"] == second["Message-ID"] == "<7.1@example.org>"
    assert f"{URL}/changes/0gq3" in first.get_content()
