"""Webhooks of git hosts: who sent it, whether it was changed, and which branch moved (pure).

The sender is checked before the payload is parsed. A replayed delivery cannot be told from its bytes alone: the caller
keeps `delivery_id` in a unique column. A payload says nothing about which repository may start what; the caller
compares `repository_url` or gives each project a secret of its own.

Sources: https://docs.github.com/webhooks/webhook-events-and-payloads#push,
https://docs.gitlab.com/user/project/integrations/webhook_events/, https://docs.gitea.com/usage/repository/webhooks,
https://www.standardwebhooks.com (GitLab's signing tokens).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from falaj.integrations.git.errors import GitInputError, WebhookRefusedError
from falaj.integrations.git.ref_validation import is_zero, require_commit, require_ref, require_url
from falaj.integrations.git.webhook_signatures import SENDERS, Headers, lower_case

MAX_BODY_BYTES = 25 * 1024 * 1024
"""GitHub's own limit; the other hosts send less."""

NO_COMMIT = "0" * 40


@dataclass(frozen=True)
class PushEvent:
    """A branch or tag moved, was created or was deleted.

    Args:
        vendor: github, gitlab or gitea.
        repository_url: Where to fetch from, by https.
        ref: Full ref, such as `refs/heads/main`.
        before: Commit before; zeros when the ref is new.
        after: Commit after, or the tag object of an annotated tag; zeros when the ref was deleted.
        deleted: Whether the ref is gone.
        delivery_id: The same for every attempt to deliver this event.
        pushed_by: Login of who pushed.
    """

    vendor: str
    repository_url: str
    ref: str
    before: str
    after: str
    deleted: bool
    delivery_id: str
    pushed_by: str


def verify_and_parse(vendor: str, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> PushEvent | None:
    """Check a webhook and read it.

    Args:
        vendor: github, gitlab or gitea.
        headers: HTTP headers, in any case.
        body: The raw body; its bytes are what was signed.
        secret: What both sides know; for GitLab a secret token, or a signing token that starts with `whsec_`.
        now: Unix time in seconds, for hosts that sign the time.

    Returns:
        The push; None when the sender is right but nothing was pushed (a ping, another event).

    Raises:
        WebhookRefusedError: See its codes.
    """
    if vendor not in SENDERS:
        raise WebhookRefusedError(f"unknown git host {vendor!r}", hint=f"one of {', '.join(sorted(SENDERS))}")
    if not secret:
        raise WebhookRefusedError("the webhook has no secret", code="git.webhook-no-secret")
    if len(body) > MAX_BODY_BYTES:
        raise WebhookRefusedError(
            f"the payload is larger than {MAX_BODY_BYTES} bytes", code="git.webhook-too-large", status=413
        )
    sender, lower_headers = SENDERS[vendor], lower_case(headers)
    sender.check(lower_headers, body, secret, now)
    event = lower_headers.get(sender.event_header, "")
    if event not in sender.events:
        return None
    return _push(vendor, event, _delivery_id(sender.delivery_headers, lower_headers), _payload(lower_headers, body))


def carries_signature(vendor: str, headers: Mapping[str, str]) -> bool:
    """Whether the headers have a proof of this git host at all; its worth shows with the whole body."""
    return vendor in SENDERS and any(name in headers for name in SENDERS[vendor].signature_headers)


def _delivery_id(names: tuple[str, ...], headers: Headers) -> str:
    for name in names:
        if value := headers.get(name, ""):
            if len(value) > 200 or not value.isprintable():
                raise WebhookRefusedError(f"the header {name} is not a delivery id")
            return value
    raise WebhookRefusedError(f"the header {names[0]} is missing")


def _payload(headers: Headers, body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text, strict_parsing=True)["payload"][0]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise WebhookRefusedError("the payload is not JSON") from error
    if not isinstance(payload, dict):
        raise WebhookRefusedError("the payload is not a JSON object")
    return payload


def _push(vendor: str, event: str, delivery_id: str, payload: dict[str, Any]) -> PushEvent | None:
    try:
        fields = _deletion(payload) if event == "delete" else _fields(vendor, payload)
        before, after = require_commit(fields["before"]), require_commit(fields["after"])
        ref, url = require_ref(fields["ref"]), require_url(fields["url"])
    except (KeyError, TypeError, GitInputError) as error:
        raise WebhookRefusedError(f"the payload is not the push of {vendor}: {error}") from error
    return PushEvent(vendor, url, ref, before, after, is_zero(after), delivery_id, str(fields["by"])[:200])


def _fields(vendor: str, payload: dict[str, Any]) -> dict[str, str]:
    moved = {name: str(payload[name]) for name in ("ref", "before", "after")}
    if vendor == "gitlab":
        return moved | {"url": str(payload["project"]["git_http_url"]), "by": payload.get("user_username") or ""}
    pusher = payload.get("pusher") or {}
    by = pusher.get("login") or pusher.get("username") or pusher.get("name") or ""
    return moved | {"url": str(payload["repository"]["clone_url"]), "by": by}


def _deletion(payload: dict[str, Any]) -> dict[str, str]:
    """Gitea announces a deleted branch by an event of its own, with a short name and without commits."""
    folder = {"branch": "refs/heads", "tag": "refs/tags"}[payload["ref_type"]]
    by = (payload.get("sender") or {}).get("login") or ""
    url = str(payload["repository"]["clone_url"])
    return {"ref": f"{folder}/{payload['ref']}", "before": NO_COMMIT, "after": NO_COMMIT, "url": url, "by": by}
