"""Commit status, sent to a real HTTP server on loopback."""

from __future__ import annotations

import json
import socket

import pytest

from falaj.integrations.git import STATES, GitInputError, GitMissingError, GitUnavailableError, reporter_for
from falaj.integrations.git.status import GitHubStatus, GitLabStatus, Unreported

from .conftest import Receiver

pytestmark = pytest.mark.integration

COMMIT = "a" * 40
REPOSITORY = "https://example.org/group/flights.git"
PATHS = {
    "github": f"/repos/group/flights/statuses/{COMMIT}",
    "gitlab": f"/projects/group%2Fflights/statuses/{COMMIT}",
    "gitea": f"/repos/group/flights/statuses/{COMMIT}",
}
TOKENS = {
    "github": ("authorization", "Bearer t0ken"),
    "gitlab": ("private-token", "t0ken"),
    "gitea": ("authorization", "token t0ken"),
}
# What each host's documentation allows.
ALLOWED = {
    "github": {"error", "failure", "pending", "success"},
    "gitlab": {"pending", "running", "success", "failed", "canceled"},
    "gitea": {"pending", "success", "error", "failure", "warning"},
}


def report(vendor: str, receiver: Receiver, state: str = "success", description: str = "fine") -> None:
    name = vendor.upper()
    settings = {f"FALAJ_{name}_TOKEN": "t0ken", f"FALAJ_{name}_API": f"{receiver.url}/"}
    reporter_for(vendor, REPOSITORY, settings).report(COMMIT, state, description, "http://falaj/runs/1")


@pytest.mark.parametrize("vendor", PATHS)
def test_each_state_is_one_that_the_host_knows(vendor: str, receiver: Receiver) -> None:
    for state in STATES:
        report(vendor, receiver, state)
    bodies = [json.loads(body) for _, _, body in receiver.requests]
    assert {body["state"] for body in bodies} <= ALLOWED[vendor]
    path, headers, _ = receiver.requests[0]
    assert path == PATHS[vendor]
    assert headers[TOKENS[vendor][0]] == TOKENS[vendor][1]
    assert bodies[0]["target_url"] == "http://falaj/runs/1"
    assert bodies[0].get("context", bodies[0].get("name")) == "falaj"


@pytest.mark.parametrize("vendor", PATHS)
def test_a_long_description_is_one_short_line(vendor: str, receiver: Receiver) -> None:
    report(vendor, receiver, description="gate\nfailed: " + "x" * 500)
    status_text = json.loads(receiver.requests[0][2])["description"]
    assert len(status_text) == 140
    assert status_text.startswith("gate failed: x")
    assert status_text.endswith("…")


@pytest.mark.parametrize("vendor", PATHS)
@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (401, GitInputError, "git.status-refused"),
        (403, GitInputError, "git.status-refused"),
        (400, GitInputError, "git.status-refused"),
        (404, GitMissingError, "git.no-commit"),
        (422, GitMissingError, "git.no-commit"),
        (429, GitUnavailableError, "git.host-unavailable"),
        (500, GitUnavailableError, "git.host-unavailable"),
        (503, GitUnavailableError, "git.host-unavailable"),
    ],
)
def test_what_the_host_answers(
    vendor: str, answer: int, error: type[GitInputError], code: str, receiver: Receiver
) -> None:
    receiver.answers = [answer]
    with pytest.raises(error) as caught:
        report(vendor, receiver)
    assert caught.value.code == code
    assert "t0ken" not in str(caught.value)


def test_a_redirect_is_not_followed_with_the_token(receiver: Receiver) -> None:
    receiver.answers, receiver.location = [307], f"{receiver.url}/elsewhere"
    with pytest.raises(GitInputError):
        report("github", receiver)
    assert len(receiver.requests) == 1


def test_the_same_state_again_is_no_error_at_gitlab(receiver: Receiver) -> None:
    receiver.answers = [400, 400]
    receiver.body = b'{"message":"Cannot transition status via :run from :running"}'
    report("gitlab", receiver, "running")
    receiver.body = b'{"message":"bad"}'
    with pytest.raises(GitInputError):
        report("gitlab", receiver, "running")


def test_a_host_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(GitUnavailableError) as caught:
        GitHubStatus(f"http://127.0.0.1:{port}", "a/b", "t0ken").report(COMMIT, "success", "", "")
    assert caught.value.code == "git.host-unavailable"


def test_an_unknown_state_or_commit_is_never_sent(receiver: Receiver) -> None:
    reporter = GitHubStatus(receiver.url, "a/b", "t0ken")
    with pytest.raises(GitInputError):
        reporter.report(COMMIT, "splendid", "", "")
    with pytest.raises(GitInputError):
        reporter.report("../../user", "success", "", "")
    assert receiver.requests == []
    assert "t0ken" not in repr(reporter)


@pytest.mark.parametrize(
    ("vendor", "url", "expected"),
    [
        ("github", "https://github.com/a/b.git", GitHubStatus("https://api.github.com", "a/b", "t")),
        ("github", "git@github.com:a/b.git", GitHubStatus("https://api.github.com", "a/b", "t")),
        ("github", "https://git.example.org/a/b", Unreported()),
        ("gitlab", "ssh://git@gitlab.com:22/g/s/n.git", GitLabStatus("https://gitlab.com/api/v4", "g/s/n", "t")),
        ("gitea", "https://me:pw@host:3000/a/b.git", Unreported()),
    ],
)
def test_where_a_host_has_its_api(vendor: str, url: str, expected: object) -> None:
    assert reporter_for(vendor, url, {f"FALAJ_{vendor.upper()}_TOKEN": "t"}) == expected


def test_without_a_host_or_a_token_nothing_is_reported() -> None:
    for vendor in (None, "github"):
        reporter = reporter_for(vendor, "/srv/git/a.git", {})
        assert isinstance(reporter, Unreported)
        reporter.report(COMMIT, "success", "", "")
    with pytest.raises(GitInputError):
        reporter_for("sourceforge", REPOSITORY, {"FALAJ_SOURCEFORGE_TOKEN": "t"})
