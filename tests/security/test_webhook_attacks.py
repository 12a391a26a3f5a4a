"""Whoever names a receiver, or is one, tries to reach what is inside, to hold the platform up, or to forge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from falaj.core.egress import ForbiddenAddressError
from falaj.integrations.notifications import (
    Happened,
    NobodyAnsweredError,
    SsrfSafeClient,
    UndeliveredError,
    encode,
    sign,
)
from tests.receivers import Receiver, answer, certified, receiving
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

NAME = "tickets.example.org"
BODY = b'{"specversion":"1.0"}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as http_receiver:
        yield http_receiver


class Resolver:
    """A stand-in for the name service: a name means something else each time that it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.requests = list(answers), 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.requests += 1
        return self.answers[min(self.requests, len(self.answers)) - 1]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://127.0.0.1:{port}/", "http://[::1]/",
        "http://localhost:{port}/", "http://10.0.0.1/", "http://192.168.0.1/", "http://0.0.0.0:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/", "http://2130706433:{port}/", "http://0x7f.1:{port}/",
        "http://127.1:{port}/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    ],
)  # fmt: skip
def test_no_spelling_of_an_inner_address_is_posted_to(receiver: Receiver, url: str) -> None:
    with pytest.raises((ForbiddenAddressError, NobodyAnsweredError)) as raised:
        SsrfSafeClient(timeout_s=1.0).post(url.format(port=receiver.port), {}, BODY, allow_private=False)
    assert not receiver.requests
    if isinstance(raised.value, NobodyAnsweredError):
        assert "gaierror" in str(raised.value), "it must not even be tried"


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200"])
def test_the_metadata_of_a_cloud_is_out_of_reach_for_private_receivers_too(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        SsrfSafeClient(resolver=Resolver([address])).post(f"http://{NAME}/", {}, BODY, allow_private=True)


def test_a_redirect_to_the_inside_is_not_followed(receiver: Receiver) -> None:
    with receiving() as inner:
        for status in (301, 302, 303, 307, 308):
            receiver.behaviour = lambda handler, code=status: answer(handler, code, Location=inner.url)
            with pytest.raises(UndeliveredError, match=f"{status}: redirects are not followed"):
                SsrfSafeClient().post(receiver.url, {}, BODY, allow_private=True)
        assert len(receiver.requests) == 5 and not inner.requests


def test_a_name_that_changes_its_meaning_after_it_was_judged_leads_nowhere_new(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public address is judged; the connection goes to it, and the name is not looked up again."""
    resolver, connected = Resolver(["93.184.216.34"], ["127.0.0.1"]), []

    def refused(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refused)
    with pytest.raises(NobodyAnsweredError):
        SsrfSafeClient(resolver=resolver).post(f"http://{NAME}:{receiver.port}/", {}, BODY, allow_private=False)
    assert connected == [("93.184.216.34", receiver.port)] and resolver.requests == 1
    with pytest.raises(ForbiddenAddressError):  # and the next attempt judges the new meaning
        SsrfSafeClient(resolver=resolver).post(f"http://{NAME}:{receiver.port}/", {}, BODY, allow_private=False)
    assert len(connected) == 1 and not receiver.requests


def test_a_name_with_a_good_and_a_bad_address_is_refused(receiver: Receiver) -> None:
    resolver = Resolver(["93.184.216.34", "127.0.0.1"])
    with pytest.raises(ForbiddenAddressError):
        SsrfSafeClient(resolver=resolver).post(f"http://{NAME}:{receiver.port}/", {}, BODY, allow_private=False)


def test_a_pinned_connection_still_says_the_name(receiver: Receiver) -> None:
    SsrfSafeClient(resolver=Resolver(["127.0.0.1"])).post(
        f"http://{NAME}:{receiver.port}/in", {}, BODY, allow_private=True
    )
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"


@pytest.mark.parametrize(("named", "arrives"), [(NAME, True), ("other.example.org", False)])
def test_a_pinned_connection_still_proves_the_name(tmp_path: Path, named: str, arrives: bool) -> None:
    chain = certified(tmp_path, named)
    with receiving(chain) as receiver:
        postman = SsrfSafeClient(
            resolver=Resolver(["127.0.0.1"]),
            trust=lambda: ssl.create_default_context(cafile=chain),
            timeout_s=HANGS_AFTER_S,
        )
        if arrives:
            postman.post(f"https://{NAME}:{receiver.port}/in", {}, BODY, allow_private=True)
        else:
            with pytest.raises(NobodyAnsweredError):
                postman.post(f"https://{NAME}:{receiver.port}/in", {}, BODY, allow_private=True)
        assert len(receiver.requests) == arrives


def test_a_proxy_of_the_environment_does_not_see_what_is_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        SsrfSafeClient().post(receiver.url, {}, BODY, allow_private=True)
        assert len(receiver.requests) == 1 and not proxy.requests


def _endless_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**12))
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def _endless_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"x" * 8192 + b"\r\n")


def _endless_continue(handler: BaseHTTPRequestHandler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def _dripping_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def _silence(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.recv(1)  # until the sender has enough of it


def _nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\0\xff<html>" * 100)


def test_a_body_without_end_is_not_read(receiver: Receiver) -> None:
    receiver.behaviour = _endless_body
    SsrfSafeClient(timeout_s=HANGS_AFTER_S).post(receiver.url, {}, BODY, allow_private=True)


@pytest.mark.parametrize("behaviour", [_endless_head, _endless_continue, _dripping_head, _silence, _nonsense])
def test_an_answer_without_end_ends_the_attempt_in_time(
    receiver: Receiver, behaviour: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    receiver.behaviour = behaviour
    with pytest.raises(NobodyAnsweredError):
        SsrfSafeClient(timeout_s=0.7).post(receiver.url, {}, BODY, allow_private=True)


def test_one_that_does_not_read_ends_the_attempt_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(NobodyAnsweredError):
            SsrfSafeClient(timeout_s=0.7).post(url, {}, b"x" * 32_000_000, allow_private=True)


HOSTILE = 'change/x\r\nX-Admin: 1\r\n\r\n<script>alert("1")</script>\x1b[31m\u202e'


def test_what_people_write_ends_neither_a_header_nor_the_message(receiver: Receiver) -> None:
    event = Happened(7, "change.requested", HOSTILE, 1.0, {HOSTILE: HOSTILE})
    body = encode(event, "https://falaj.example.org")
    SsrfSafeClient().post(receiver.url, sign("a secret", str(event.id), body, 1.0), body, allow_private=True)
    (http_request,) = receiver.requests
    assert http_request.body == body and "x-admin" not in http_request.headers
    assert not any(byte in http_request.body for byte in b"\r\n<>\x1b")
    assert json.loads(http_request.body)["data"] == {HOSTILE: HOSTILE}
    assert not any(ord(char) < 32 for char in json.loads(http_request.body)["subject"])


def test_the_signature_is_over_exactly_the_bytes_that_arrive(receiver: Receiver) -> None:
    body = encode(Happened(7, "change.requested", "change/é", 1.0, {"b": 1, "a": "<é>"}), "https://f.example.org")
    SsrfSafeClient().post(receiver.url, sign("a secret", "7", body, 1234.5), body, allow_private=True)
    (http_request,) = receiver.requests
    assert _verified(http_request.headers, http_request.body)
    assert not _verified(http_request.headers, http_request.body.replace(b'"b":1', b'"b":2'))
    assert not _verified(http_request.headers, json.dumps(json.loads(http_request.body)).encode())
    assert not _verified({**http_request.headers, "webhook-timestamp": "9999"}, http_request.body)
    assert not _verified({**http_request.headers, "webhook-id": "8"}, http_request.body)


def _verified(headers: dict[str, str], body: bytes) -> bool:
    """As a receiver does it, with nothing of ours."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"a secret", signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers["webhook-signature"], f"v1,{expected}")
