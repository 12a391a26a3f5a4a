"""Each host's documented payload, signed as the host signs it, and everything that must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.integrations.git import PushEvent, WebhookRefusedError, verify_and_parse

SECRET = "It's a Secret to Everybody"
NOW = 1_767_225_600.0
BEFORE, AFTER, ZERO = "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "0" * 40

# https://docs.github.com/webhooks/webhook-events-and-payloads#push
GITHUB: dict[str, Any] = {
    "ref": "refs/heads/main",
    "before": BEFORE,
    "after": AFTER,
    "repository": {
        "id": 186853002,
        "name": "Hello-World",
        "full_name": "Codertocat/Hello-World",
        "private": False,
        "html_url": "https://github.com/Codertocat/Hello-World",
        "clone_url": "https://github.com/Codertocat/Hello-World.git",
        "ssh_url": "git@github.com:Codertocat/Hello-World.git",
        "default_branch": "main",
    },
    "pusher": {"name": "Codertocat", "email": "21031067+Codertocat@users.noreply.github.com"},
    "sender": {"login": "Codertocat", "id": 21031067},
    "created": False,
    "deleted": False,
    "forced": False,
    "base_ref": None,
    "commits": [],
    "head_commit": None,
}
# https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events
GITLAB: dict[str, Any] = {
    "object_kind": "push",
    "event_name": "push",
    "before": BEFORE,
    "after": AFTER,
    "ref": "refs/heads/main",
    "ref_protected": True,
    "checkout_sha": AFTER,
    "user_id": 4,
    "user_name": "John Smith",
    "user_username": "jsmith",
    "project_id": 15,
    "project": {
        "id": 15,
        "name": "Diaspora",
        "web_url": "http://example.com/mike/diaspora",
        "git_ssh_url": "git@example.com:mike/diaspora.git",
        "git_http_url": "http://example.com/mike/diaspora.git",
        "namespace": "Mike",
        "path_with_namespace": "mike/diaspora",
        "default_branch": "main",
    },
    "commits": [],
    "total_commits_count": 0,
}
# https://docs.gitea.com/usage/repository/webhooks
GITEA: dict[str, Any] = {
    "ref": "refs/heads/develop",
    "before": BEFORE,
    "after": AFTER,
    "compare_url": f"http://localhost:3000/gitea/webhooks/compare/{BEFORE}...{AFTER}",
    "commits": [],
    "repository": {
        "id": 140,
        "name": "webhooks",
        "full_name": "gitea/webhooks",
        "html_url": "http://localhost:3000/gitea/webhooks",
        "ssh_url": "ssh://gitea@localhost:2222/gitea/webhooks.git",
        "clone_url": "http://localhost:3000/gitea/webhooks.git",
        "default_branch": "master",
    },
    "pusher": {"id": 1, "login": "gitea", "username": "gitea", "email": "someone@gitea.io"},
    "sender": {"id": 1, "login": "gitea", "username": "gitea"},
}
PAYLOADS = {"github": GITHUB, "gitlab": GITLAB, "gitea": GITEA}


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(vendor: str, body: bytes, event: str = "") -> dict[str, str]:
    match vendor:
        case "github":
            own = {
                "X-GitHub-Event": event or "push",
                "X-GitHub-Delivery": "72d3162e",
                "X-Hub-Signature-256": f"sha256={sign(body)}",
            }
        case "gitlab":
            own = {"X-Gitlab-Event": event or "Push Hook", "X-Gitlab-Event-UUID": "13792a34", "X-Gitlab-Token": SECRET}
        case _:
            own = {"X-Gitea-Event": event or "push", "X-Gitea-Delivery": "f6266f16", "X-Gitea-Signature": sign(body)}
    return {"Content-Type": "application/json", **own}


def receive(vendor: str, payload: object, event: str = "") -> PushEvent | None:
    body = json.dumps(payload).encode()
    return verify_and_parse(vendor, headers(vendor, body, event), body, SECRET, NOW)


def refused(vendor: str, request_headers: dict[str, str], body: bytes, secret: str = SECRET, now: float = NOW) -> str:
    with pytest.raises(WebhookRefusedError) as caught:
        verify_and_parse(vendor, request_headers, body, secret, now)
    assert caught.value.status in (400, 401, 413)
    assert SECRET not in str(caught.value)
    return caught.value.code


def test_the_documented_pushes() -> None:
    assert receive("github", GITHUB) == PushEvent(
        "github",
        "https://github.com/Codertocat/Hello-World.git",
        "refs/heads/main",
        BEFORE,
        AFTER,
        False,
        "72d3162e",
        "Codertocat",
    )
    assert receive("gitlab", GITLAB) == PushEvent(
        "gitlab", "http://example.com/mike/diaspora.git", "refs/heads/main", BEFORE, AFTER, False, "13792a34", "jsmith"
    )
    assert receive("gitea", GITEA) == PushEvent(
        "gitea",
        "http://localhost:3000/gitea/webhooks.git",
        "refs/heads/develop",
        BEFORE,
        AFTER,
        False,
        "f6266f16",
        "gitea",
    )


def test_githubs_published_signature() -> None:
    # https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    published = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign(b"Hello, World!") == published
    request_headers = {"X-Hub-Signature-256": f"sha256={published}", "X-GitHub-Event": "ping"}
    assert verify_and_parse("github", request_headers, b"Hello, World!", SECRET, NOW) is None


@pytest.mark.parametrize("vendor", PAYLOADS)
def test_a_deleted_branch(vendor: str) -> None:
    event = receive(vendor, PAYLOADS[vendor] | {"after": ZERO, "checkout_sha": None, "deleted": True})
    assert event is not None
    assert event.deleted
    assert event.before == BEFORE


@pytest.mark.parametrize("vendor", PAYLOADS)
def test_a_new_tag(vendor: str) -> None:
    event = receive(
        vendor,
        PAYLOADS[vendor] | {"ref": "refs/tags/v1.0", "before": ZERO, "object_kind": "tag_push"},
        "Tag Push Hook" if vendor == "gitlab" else "",
    )
    assert event is not None
    assert (event.ref, event.deleted) == ("refs/tags/v1.0", False)


def test_gitea_tells_of_a_deleted_branch_in_its_own_way() -> None:
    payload = {
        "ref": "feature/x",
        "ref_type": "branch",
        "pusher_type": "user",
        "repository": GITEA["repository"],
        "sender": GITEA["sender"],
    }
    event = receive("gitea", payload, "delete")
    assert event is not None
    assert (event.ref, event.deleted, event.pushed_by) == ("refs/heads/feature/x", True, "gitea")


@pytest.mark.parametrize(
    ("vendor", "event"),
    [("github", "ping"), ("github", "issues"), ("github", "delete"), ("gitlab", "Issue Hook"), ("gitea", "create")],
)
def test_other_events_are_nothing(vendor: str, event: str) -> None:
    assert receive(vendor, {"zen": "Keep it logically awesome.", "hook_id": 1}, event) is None


def test_githubs_form_encoding() -> None:
    body = urlencode({"payload": json.dumps(GITHUB)}).encode()
    request_headers = headers("github", body) | {"Content-Type": "application/x-www-form-urlencoded"}
    event = verify_and_parse("github", request_headers, body, SECRET, NOW)
    assert event is not None
    assert event.after == AFTER


@pytest.mark.parametrize("vendor", PAYLOADS)
def test_a_wrong_missing_or_foreign_signature(vendor: str) -> None:
    body = json.dumps(PAYLOADS[vendor]).encode()
    good = headers(vendor, body)
    signature = {"github": "X-Hub-Signature-256", "gitlab": "X-Gitlab-Token", "gitea": "X-Gitea-Signature"}[vendor]
    without = {name: value for name, value in good.items() if name != signature}
    for bad in (
        without,
        good | {signature: ""},
        good | {signature: good[signature][:-1]},
        good | {signature: "é\ud800"},
    ):
        assert refused(vendor, bad, body) == "git.webhook-signature"
    assert refused(vendor, good, body, secret="another") == "git.webhook-signature"
    assert refused(vendor, good, body, secret="") == "git.webhook-no-secret"


@given(st.data())
def test_no_changed_byte_is_accepted(data: st.DataObject) -> None:
    vendor = data.draw(st.sampled_from(["github", "gitea"]))
    body = bytearray(json.dumps(PAYLOADS[vendor]).encode())
    request_headers = headers(vendor, bytes(body))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    assert refused(vendor, request_headers, bytes(body)) == "git.webhook-signature"


def test_the_signature_of_one_host_says_nothing_to_another() -> None:
    body = json.dumps(GITHUB).encode()
    assert refused("gitea", headers("github", body), body) == "git.webhook-signature"


def test_a_payload_that_is_too_large_is_refused_before_it_is_hashed() -> None:
    assert refused("github", {}, bytes(25 * 1024 * 1024 + 1)) == "git.webhook-too-large"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"ref": 1}', b"1" * 5000])
@pytest.mark.parametrize("vendor", PAYLOADS)
def test_a_payload_that_is_not_a_push(vendor: str, body: bytes) -> None:
    assert refused(vendor, headers(vendor, body), body) == "git.webhook-malformed"


@pytest.mark.parametrize(
    "change",
    [
        {"ref": "--upload-pack=id"},
        {"ref": "refs/heads/a..b"},
        {"after": "HEAD"},
        {"before": None},
        {"repository": {"clone_url": "ext::sh -c id"}},
        {"repository": None},
        {"repository": {"clone_url": ["a"]}},
    ],
)
def test_fields_that_git_must_never_see(change: dict[str, object]) -> None:
    body = json.dumps(GITHUB | change).encode()
    assert refused("github", headers("github", body), body) == "git.webhook-malformed"


def test_a_delivery_without_a_usable_id_cannot_be_kept_apart() -> None:
    body = json.dumps(GITHUB).encode()
    for bad in ("", "x" * 201, "a\nb"):
        assert refused("github", headers("github", body) | {"X-GitHub-Delivery": bad}, body) == "git.webhook-malformed"


def test_a_header_given_twice_and_an_unknown_host() -> None:
    body = json.dumps(GITHUB).encode()
    doubled = headers("github", body) | {"x-hub-signature-256": "sha256=0"}
    assert refused("github", doubled, body) == "git.webhook-malformed"
    assert refused("sourceforge", {}, body) == "git.webhook-malformed"


def test_the_id_of_a_gitlab_delivery_survives_its_retries() -> None:
    body = json.dumps(GITLAB).encode()
    request_headers = headers("gitlab", body) | {"Idempotency-Key": "f5e5f430"}
    event = verify_and_parse("gitlab", request_headers, body, SECRET, NOW)
    assert event is not None
    assert event.delivery_id == "f5e5f430"


def signed_by_gitlab(body: bytes, key: bytes, at: str) -> dict[str, str]:
    signature = base64.b64encode(hmac.digest(key, f"f5e5f430.{at}.".encode() + body, "sha256")).decode()
    own = {"webhook-id": "f5e5f430", "webhook-timestamp": at, "webhook-signature": f"v1,AAAA v1,{signature}"}
    return headers("gitlab", body) | own


def test_gitlabs_signing_token() -> None:
    key, body = b"k" * 32, json.dumps(GITLAB).encode()
    secret = f"whsec_{base64.b64encode(key).decode()}"
    good = signed_by_gitlab(body, key, str(int(NOW)))
    event = verify_and_parse("gitlab", good, body, secret, NOW)
    assert event is not None
    assert event.delivery_id == "f5e5f430"
    assert refused("gitlab", good, body + b" ", secret) == "git.webhook-signature"
    assert refused("gitlab", good | {"webhook-id": "another"}, body, secret) == "git.webhook-signature"
    assert (
        refused("gitlab", headers("gitlab", body) | {"X-Gitlab-Token": secret}, body, secret) == "git.webhook-signature"
    )
    assert refused("gitlab", good, body, "whsec_***") == "git.webhook-no-secret"
    for now in (NOW + 301, NOW - 301):
        assert refused("gitlab", good, body, secret, now) == "git.webhook-stale"
    assert refused("gitlab", signed_by_gitlab(body, key, "soon"), body, secret) == "git.webhook-stale"
