from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from falaj.integrations.notifications import sign

# The vector of the specification's own libraries (standard-webhooks, tests of every language).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_vector_of_the_specification_holds() -> None:
    headers = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", BODY, 1_614_265_330.9)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", ["a plain secret", "whsec_!!not base64"])
def test_a_secret_that_is_no_key_is_used_as_its_text(secret: str) -> None:
    expected = base64.b64encode(hmac.digest(secret.encode(), b"1.5." + BODY, hashlib.sha256)).decode()
    assert sign(secret, "1", BODY, 5.0)["webhook-signature"] == f"v1,{expected}"


def test_every_byte_and_the_time_and_the_id_are_signed() -> None:
    signatures = {
        sign(SECRET, event, body, now)["webhook-signature"]
        for event, body, now in [("1", BODY, 5), ("2", BODY, 5), ("1", BODY + b" ", 5), ("1", BODY, 6)]
    }
    assert len(signatures) == 4
