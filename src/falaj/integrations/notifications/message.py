"""Events as messages for people: of a channel of a chat, or by mail (pure).

Sources: Slack, Block Kit reference (https://docs.slack.dev/reference/block-kit); Microsoft, Adaptive Cards 1.4
(https://adaptivecards.io/explorer); RFC 5322 for mail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from falaj.config.notifications import MailSpec
from falaj.integrations.notifications.cloud_event import Happened

CONTENT_TYPE = "application/json"
_MOST_FACTS = 12
_MOST_CHARACTERS = 300
_NOT_PRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, those that turn the direction of text around, and halves of characters."""
_MARKDOWN = re.compile(r"([\\`*_\[\]()#+!|<>~-])")
_PAGES = {"change": "changes", "run": "runs", "alert": "alerts", "rollout": "rollouts"}


@dataclass(frozen=True)
class Message:
    """What people read of an event.

    Args:
        title: One line: what happened, of what.
        facts: What else is known, by name, in the order of the event.
        link: Its page in the web UI; empty where it has none.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    link: str


def message_of(event: Happened, public_url: str) -> Message:
    """An event in plain text; nothing in it is markup, whatever people wrote.

    Args:
        event: What happened.
        public_url: Where the platform is reached.
    """
    kind, _, name = event.subject.partition("/")
    page = _PAGES.get(kind)
    is_plain = re.fullmatch(r"[A-Za-z0-9_-]+", name)
    link = f"{public_url.rstrip('/')}/{page}/{name}" if page and is_plain else ""
    return Message(_line(f"{event.kind}: {event.subject}"), tuple(_facts(event.data)), link)


def to_slack(message: Message) -> bytes:
    """The body that an incoming webhook of Slack takes; all text of people is `plain_text`, which mentions nobody."""
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(message.title)}]
    if message.facts:
        lines = "\n".join(f"{name}: {value}" for name, value in message.facts)
        blocks.append({"type": "section", "text": _plain(lines)})
    if message.link:
        blocks.append(
            {"type": "actions", "elements": [{"type": "button", "text": _plain("Open"), "url": message.link}]}
        )
    return _json({"text": _entities(message.title), "blocks": blocks})


def to_teams(message: Message) -> bytes:
    """The body that a workflow of Teams takes: one adaptive card, with the text of people escaped."""
    facts = [{"title": _escaped(name), "value": _escaped(value)} for name, value in message.facts]
    card: dict[str, Any] = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": _escaped(message.title), "weight": "Bolder", "wrap": True}],
    }
    if facts:
        card["body"].append({"type": "FactSet", "facts": facts})
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": message.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return _json({"type": "message", "attachments": [attachment]})


def to_mail(message: Message, event: Happened, spec: MailSpec, source: str) -> EmailMessage:
    """A mail; one that is sent twice bears the same id, so that mail programs show it once.

    Args:
        message: What people read.
        event: Of which it is.
        spec: Whom it goes to.
        source: URI of the installation.
    """
    mail = EmailMessage()
    mail["Subject"] = f"[falaj] {message.title}"[:200]
    mail["From"], mail["To"] = spec.sender, ", ".join(spec.recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(event.at, UTC))
    mail["Message-ID"] = f"<{event.id}.{int(event.at)}@{spec.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    lines = [message.title, "", *(f"{name}: {value}" for name, value in message.facts), "", message.link or source]
    mail.set_content("\n".join(lines) + "\n")
    return mail


def _facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is plain in an event, shortened; lists and mappings are in the stream of events."""
    plain = ((name, value) for name, value in data.items() if isinstance(value, str | int | float))
    for _, (name, value) in zip(range(_MOST_FACTS), plain, strict=False):
        if value != "":
            yield _line(name), _line(str(value))


def _line(text: str) -> str:
    line = _NOT_PRINTABLE.sub(" ", text)
    return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "\u2026"


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text[:3000], "emoji": False}


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
