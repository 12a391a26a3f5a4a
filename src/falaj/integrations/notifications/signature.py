"""The signature of a notification (pure).

Source: Standard Webhooks 1.0 (https://www.standardwebhooks.com), for which receivers find libraries in most languages:
HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

KEY_PREFIX = "whsec_"
REPLAY_WINDOW_S = 300
"""How far from its own clock a receiver should let the timestamp be; every attempt is signed anew."""


def sign(secret: str, event_id: str, body: bytes, now: float) -> Mapping[str, str]:
    """The headers that prove who sent these bytes, and when.

    Args:
        secret: A text, or `whsec_` and a key in base64.
        event_id: The same however often the event is sent.
        body: Exactly what is sent.
        now: Unix seconds.
    """
    sent_at = str(int(now))
    digest = hmac.digest(_key(secret), f"{event_id}.{sent_at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(KEY_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            pass  # it only looks like one
    return secret.encode()
