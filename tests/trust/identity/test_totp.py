from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.identity.totp import STEP_S, code_at, enrolment_uri, matching_step, secret_text

SECRET = b"12345678901234567890"
steps = st.integers(min_value=2, max_value=2**40)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_that_rfc_6238_publishes(at: int, code: str) -> None:
    assert code_at(SECRET, at // STEP_S, digits=8) == code
    assert code_at(SECRET, at // STEP_S) == code[-6:]


@given(steps, st.integers(min_value=-1, max_value=1), st.floats(min_value=0, max_value=29.9))
def test_a_code_is_taken_within_a_step_of_drift(step: int, drift: int, second: float) -> None:
    matched_step = matching_step(SECRET, code_at(SECRET, step + drift), step * STEP_S + second, newest_used=0)
    assert matched_step is not None and abs(matched_step - step) <= 1


@given(steps, st.integers(min_value=2, max_value=1000), st.sampled_from([-1, 1]))
def test_a_code_of_another_time_is_refused(step: int, distance: int, side: int) -> None:
    code = code_at(SECRET, max(step + side * distance, 0))
    near = {code_at(SECRET, step + drift) for drift in (-1, 0, 1)}
    assert code in near or matching_step(SECRET, code, float(step * STEP_S), newest_used=0) is None


@given(steps)
def test_a_used_code_and_those_before_it_are_refused(step: int) -> None:
    for older in (step - 1, step):
        if code_at(SECRET, older) != code_at(SECRET, step + 1):
            assert matching_step(SECRET, code_at(SECRET, older), float(step * STEP_S), newest_used=step) is None


@given(st.text(max_size=8))
def test_other_text_is_no_code(text: str) -> None:
    near = {code_at(SECRET, 1000 + drift) for drift in (-1, 0, 1)}
    assert (matching_step(SECRET, text, 1000.0 * STEP_S, 0) is not None) == (text in near)


def test_the_first_minute_of_time_has_codes() -> None:
    assert matching_step(SECRET, code_at(SECRET, 1), 0.0, newest_used=0) == 1


def test_applications_read_the_secret_from_the_uri() -> None:
    address = urlsplit(enrolment_uri(SECRET, "ana", "Falaj"))
    assert (address.scheme, address.netloc, address.path) == ("otpauth", "totp", "/Falaj:ana")
    assert parse_qs(address.query) == {"secret": [secret_text(SECRET)], "issuer": ["Falaj"]}
    assert secret_text(SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
