"""Whoever names a host tries to lead the platform inside: by address, redirect, or a name that changes its meaning."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from falaj.core.egress import EgressRules, ForbiddenAddressError
from falaj.integrations.git import GitInputError, GitUnavailableError, mirror, poll, reporter_for, require_url
from falaj.integrations.git.pinning import settings_of
from falaj.integrations.git.status import GitHubStatus, Unreported
from falaj.trust.identity.federation.errors import ProviderError
from falaj.trust.identity.federation.web import Web

pytestmark = pytest.mark.integration

NAME = "git.example.org"


class Rebinding:
    """A name service of somebody else: a public address for who judges, an inner one for who asks again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.requests = list(answers), 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.requests += 1
        return self.answers[min(self.requests, len(self.answers)) - 1]


class Server(ThreadingHTTPServer):
    """Serves the files of a folder, or redirects, and counts."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.redirects_to, self.requests = folder, "", list[str]()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.headers['host']} {self.path}")
        path = self.server.folder / self.path.partition("?")[0].lstrip("/")
        if self.server.redirects_to:
            self.send_response(302)
            self.send_header("location", self.server.redirects_to + self.path)
            content = b""
        else:
            content = path.read_bytes() if path.is_file() else b""
            self.send_response(200 if path.is_file() else 404)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A real repository, served as files (git's dumb protocol)."""

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path / "work"), *arguments], check=True, capture_output=True)

    (tmp_path / "work").mkdir()
    git("init", "-q", "-b", "main")
    git("-c", "user.name=S", "-c", "user.email=s@example.org", "commit", "-q", "--allow-empty", "-m", "first")
    git("clone", "-q", "--bare", ".", str(tmp_path / "served.git"))
    subprocess.run(["git", "-C", str(tmp_path / "served.git"), "update-server-info"], check=True)
    http_server = Server(tmp_path)
    yield http_server
    http_server.shutdown()
    http_server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest", "http://[fe80::1]/x.git", "https://10.0.0.1/x.git", "http://192.168.1.1/x.git",
        "http://[::ffff:169.254.169.254]/x.git", "http://2852039166/latest", "http://0xa9fea9fe/latest",
        "ssh://git@10.0.0.1/x.git", "git@10.0.0.1:x.git", "http://100.100.100.200/latest", "http://0.0.0.0/x.git",
    ],
)  # fmt: skip
def test_no_spelling_of_an_inner_address_is_fetched_from(url: str, tmp_path: Path) -> None:
    with pytest.raises(ForbiddenAddressError):
        poll(url, "main")
    with pytest.raises(ForbiddenAddressError):
        mirror(url, tmp_path / "mirrors")


@pytest.mark.parametrize(
    "url",
    ["http://localhost./x", "http://a@b@127.0.0.1/x", "http://a\\@b/x", "http://%31%32%37.0.0.1/x", "https://-h/x",
     "http://h\u3002example/x", "http://[::1%25lo]/x", "http://h:99999999/x"],
)  # fmt: skip
def test_a_host_that_readers_of_urls_may_take_for_different_ones_is_no_repository(url: str) -> None:
    with pytest.raises(GitInputError):
        require_url(url)


def test_a_name_that_changes_its_meaning_leads_git_nowhere_new(server: Server) -> None:
    """What was judged is 198.51.100.1, of which a rule says that it is meant; the name leads to this machine then."""
    url = f"http://localhost:{server.port}/served.git"
    resolver = Rebinding(["198.51.100.1"], ["127.0.0.1"])
    with pytest.raises(GitUnavailableError):
        poll(url, "main", rules=EgressRules(("198.51.100.0/24",)), resolver=resolver, timeout_s=2.0)
    assert not server.requests and resolver.requests == 1
    with pytest.raises(ForbiddenAddressError):
        poll(url, "main", rules=EgressRules(), resolver=resolver)
    assert not server.requests


def test_git_connects_to_what_was_judged_and_says_the_name(server: Server, tmp_path: Path) -> None:
    url, resolver = f"http://{NAME}:{server.port}/served.git", Rebinding(["127.0.0.1"])
    commit = poll(url, "main", resolver=resolver)
    assert len(commit) == 40 and server.requests[0].startswith(f"{NAME}:{server.port} ")
    assert (mirror(url, tmp_path / "mirrors", resolver=resolver) / "HEAD").exists()


def test_a_redirect_to_the_inside_is_not_followed_by_git(server: Server, tmp_path: Path) -> None:
    inner = Server(tmp_path)
    server.redirects_to = f"http://127.0.0.1:{inner.port}"
    with pytest.raises(GitUnavailableError):
        poll(f"http://127.0.0.1:{server.port}/served.git", "main")
    assert server.requests and not inner.requests


def test_a_proxy_decides_about_names_and_never_about_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    resolver = Rebinding(["10.0.0.1"])
    assert settings_of(f"https://{NAME}/x.git", resolver=resolver) == () and resolver.requests == 0
    with pytest.raises(ForbiddenAddressError):
        settings_of("https://10.0.0.1/x.git")


def test_a_token_goes_to_no_host_that_a_project_names() -> None:
    token_environment = {"FALAJ_GITHUB_TOKEN": "t0ken"}
    assert isinstance(reporter_for("github", "https://evil.example/o/n.git", token_environment), Unreported)
    assert isinstance(reporter_for("github", "git@github.com:o/n.git", token_environment), GitHubStatus)
    own = token_environment | {"FALAJ_GITHUB_API": "https://git.corp.example/api/v3"}
    reporter = reporter_for("github", "https://evil.example/o/n.git", own)
    assert isinstance(reporter, GitHubStatus) and reporter.api_url == "https://git.corp.example/api/v3"


def test_a_name_that_changes_its_meaning_leads_no_login_inside(server: Server) -> None:
    (server.folder / "keys").write_text('{"keys": []}')
    url = f"https://{NAME}:{server.port}/keys"
    resolver = Rebinding(["198.51.100.1"], ["127.0.0.1"])
    named = EgressRules(("198.51.100.0/24",))
    with pytest.raises(ProviderError, match="does not answer"):
        Web(timeout_s=1.0, rules=named, resolver=resolver).get(url, "keys")
    assert not server.requests and resolver.requests == 1
    with pytest.raises(ProviderError, match="not a public address"):
        Web(timeout_s=1.0, rules=named, resolver=Rebinding(["10.0.0.1"])).get(url, "keys")


def test_a_provider_in_a_private_network_is_asked_where_the_platform_file_names_it(server: Server) -> None:
    (server.folder / "keys").write_text('{"keys": []}')
    url = f"http://localhost:{server.port}/keys"
    assert Web(rules=EgressRules(("localhost",)), resolver=Rebinding(["127.0.0.1"])).get(url, "keys") == {"keys": []}
    assert server.requests == [f"localhost:{server.port} /keys"]
    with pytest.raises(ProviderError, match="not a public address"):
        Web(rules=EgressRules(), resolver=Rebinding(["127.0.0.1"])).get(url, "keys")
