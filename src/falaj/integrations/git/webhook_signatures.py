"""How each git host proves that a webhook is its own; every comparison takes constant time (pure)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from falaj.core.ids import parse_number
from falaj.integrations.git.errors import WebhookRefusedError

Headers = Mapping[str, str]

SIGNING_TOKEN = "whsec_"  # noqa: S105 - the public prefix of a signing token, not one
TOLERANCE_S = 300.0
"""How far a signed time may be from ours, the value that Standard Webhooks recommends."""


@dataclass(frozen=True)
class Sender:
    """What a host's deliveries look like.

    Args:
        event_header: Header that names the event, in lower case.
        events: Events that move a ref.
        delivery_headers: Headers with an id that a repeated delivery keeps, best first.
        signature_headers: Headers of which one carries the proof.
        check: Raises `WebhookRefusedError` for headers, body, secret and time that do not fit.
    """

    event_header: str
    events: frozenset[str]
    delivery_headers: tuple[str, ...]
    signature_headers: tuple[str, ...]
    check: Callable[[Headers, bytes, str, float], None]


def lower_case(headers: Mapping[str, str]) -> Headers:
    """Return the headers with lower-case names.

    Raises:
        WebhookRefusedError: When two names differ only in case, which no two proxies read alike.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    if len(lowered) != len(headers):
        raise WebhookRefusedError("a header is given twice")
    return lowered


def check_github(headers: Headers, body: bytes, secret: str, now: float) -> None:  # noqa: ARG001 - no signed time
    """Check `X-Hub-Signature-256: sha256=<hex HMAC of the body>`."""
    _compare(headers.get("x-hub-signature-256", ""), f"sha256={_hmac_hex(secret, body)}")


def check_gitea(headers: Headers, body: bytes, secret: str, now: float) -> None:  # noqa: ARG001 - no signed time
    """Check `X-Gitea-Signature: <hex HMAC of the body>`."""
    _compare(headers.get("x-gitea-signature", ""), _hmac_hex(secret, body))


def check_gitlab(headers: Headers, body: bytes, secret: str, now: float) -> None:
    """Check the secret token, which is sent as it is, or the signature made with a signing token."""
    if secret.startswith(SIGNING_TOKEN):
        _check_standard_webhook(headers, body, secret, now)
    else:
        _compare(headers.get("x-gitlab-token", ""), secret)


def _check_standard_webhook(headers: Headers, body: bytes, secret: str, now: float) -> None:
    sent_at = headers.get("webhook-timestamp", "")
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING_TOKEN), validate=True)
    except binascii.Error as error:
        raise WebhookRefusedError("the signing token is not one", code="git.webhook-no-secret") from error
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    signatures = [part for part in headers.get("webhook-signature", "").split(" ")[:8] if part.startswith("v1,")]
    if not any([_same(part, f"v1,{expected}") for part in signatures]):  # noqa: C419 - compare all, whichever fits
        raise _wrong_signature()
    sent_s = parse_number(sent_at, digits=12)
    if sent_s is None or abs(now - sent_s) > TOLERANCE_S:
        raise WebhookRefusedError("the webhook was signed too long ago", code="git.webhook-stale", status=401)


def _hmac_hex(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _compare(signature: str, expected: str) -> None:
    if not _same(signature, expected):
        raise _wrong_signature()


def _same(signature: str, expected: str) -> bool:
    return hmac.compare_digest(signature.encode(errors="replace"), expected.encode(errors="replace"))


def _wrong_signature() -> WebhookRefusedError:
    return WebhookRefusedError("the webhook's signature is missing or wrong", code="git.webhook-signature", status=401)


SENDERS: Mapping[str, Sender] = {
    "github": Sender(
        "x-github-event", frozenset({"push"}), ("x-github-delivery",), ("x-hub-signature-256",), check_github
    ),
    "gitlab": Sender(
        "x-gitlab-event",
        frozenset({"Push Hook", "Tag Push Hook"}),
        ("idempotency-key", "webhook-id", "x-gitlab-event-uuid"),
        ("x-gitlab-token", "webhook-signature"),
        check_gitlab,
    ),
    "gitea": Sender(
        "x-gitea-event", frozenset({"push", "delete"}), ("x-gitea-delivery",), ("x-gitea-signature",), check_gitea
    ),
}
