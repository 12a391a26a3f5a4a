"""Time-based one-time passwords (pure).

Source: RFC 6238 with the parameters that authenticator applications share: HMAC-SHA-1, 6 digits, steps of 30 s.
"""

from __future__ import annotations

import base64
import hmac
import struct
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20

_DRIFT_STEPS = 1


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step.

    Args:
        secret: Shared with the application.
        step: Unix time in steps of 30 s.
        digits: Length of the code.

    Source: RFC 4226, section 5.3 (dynamic truncation).
    """
    mac = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = mac[-1] & 0x0F
    number = struct.unpack(">I", mac[offset : offset + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, now: float, newest_used: int) -> int | None:
    """Return the step that a code belongs to, if it may still be used.

    A code of the step before or after is taken, for clocks that drift; one of a step that was used, or of one before
    it, is not, so that a code that was seen cannot be replayed (RFC 6238, section 5.2).

    Args:
        secret: Shared with the application.
        code: What the person typed.
        now: Unix seconds.
        newest_used: The newest step whose code was taken.

    Returns:
        The step, or None.
    """
    middle, code_bytes = int(now // STEP_S), code.encode()
    fits = [
        step
        for step in range(middle - _DRIFT_STEPS, middle + _DRIFT_STEPS + 1)
        if hmac.compare_digest(code_at(secret, max(step, 0)).encode(), code_bytes) and step > newest_used
    ]
    return fits[0] if fits else None


def secret_text(secret: bytes) -> str:
    """Return a secret as people type it into an application: base 32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def enrolment_uri(secret: bytes, name: str, issuer: str) -> str:
    """Return what an application reads from a QR code (the Key URI format of authenticator applications)."""
    settings = urlencode({"secret": secret_text(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(name)}?{settings}"
