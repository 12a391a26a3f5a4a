"""Commit status: how a run is doing, shown beside the commit on its git host.

Sources: https://docs.github.com/rest/commits/statuses, https://docs.gitlab.com/api/commits/#set-commit-pipeline-status,
https://docs.gitea.com/api/ (repoCreateStatus).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

from falaj.integrations.git.errors import GitInputError, GitMissingError, GitUnavailableError
from falaj.integrations.git.ref_validation import redact, require_commit

if TYPE_CHECKING:
    import httpx

CONTEXT = "falaj"
TIMEOUT_S = 15.0
MAX_DESCRIPTION = 140
"""GitHub refuses a longer one."""

_PUBLIC_APIS = {
    ("github", "github.com"): "https://api.github.com",
    ("gitlab", "gitlab.com"): "https://gitlab.com/api/v4",
}
"""Where a token goes unasked. Whoever registers a repository names its host, and must not be sent the token for it."""

STATES = ("pending", "running", "success", "failure", "error", "cancelled")


class CommitStatus(Protocol):
    """Somewhere to report to."""

    def report(self, commit: str, state: str, description: str, url: str) -> None:
        """Report how a run is doing; reporting the same again is harmless.

        Args:
            commit: Full commit id.
            state: One of `STATES`.
            description: One line; cut to what the host takes.
            url: Where to read more.

        Raises:
            GitInputError: `git.status-refused`: the token or the repository is wrong; trying again will not help.
            GitMissingError: `git.no-commit`: the host has no such commit or repository.
            GitUnavailableError: `git.host-unavailable`: trying again may help.
        """


@dataclass(frozen=True)
class Unreported:
    """For repositories whose host shows no status."""

    def report(self, commit: str, state: str, description: str, url: str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class GitHubStatus:
    """Reports to GitHub or GitHub Enterprise.

    Args:
        api_url: `https://api.github.com`, or `https://HOST/api/v3`.
        repository: `owner/name`.
        token: With the permission `statuses: write`.
    """

    api_url: str
    repository: str
    token: str = field(repr=False)

    def report(self, commit: str, state: str, description: str, url: str) -> None:
        """See `CommitStatus.report`."""
        names = {"running": "pending", "cancelled": "error"}
        body = {"state": names.get(state, state), "description": description, "target_url": url, "context": CONTEXT}
        path = f"/repos/{quote(self.repository)}/statuses/{require_commit(commit)}"
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json"}
        _post(f"{self.api_url}{path}", headers, _shortened(state, body))


@dataclass(frozen=True)
class GitLabStatus:
    """Reports to GitLab.

    Args:
        api_url: `https://HOST/api/v4`.
        repository: `group/subgroup/name`.
        token: With the scope `api`.
    """

    api_url: str
    repository: str
    token: str = field(repr=False)

    def report(self, commit: str, state: str, description: str, url: str) -> None:
        """See `CommitStatus.report`."""
        names = {"failure": "failed", "error": "failed", "cancelled": "canceled"}
        body = {"state": names.get(state, state), "description": description, "target_url": url, "name": CONTEXT}
        path = f"/projects/{quote(self.repository, safe='')}/statuses/{require_commit(commit)}"
        response = _send(f"{self.api_url}{path}", {"PRIVATE-TOKEN": self.token}, _shortened(state, body))
        # GitLab refuses to set the state that a commit is in already, which is what was wanted.
        if response.status_code != 400 or "Cannot transition status" not in response.text:
            _require_success(response)


@dataclass(frozen=True)
class GiteaStatus:
    """Reports to Gitea or Forgejo.

    Args:
        api_url: `https://HOST/api/v1`.
        repository: `owner/name`.
        token: With the scope `write:repository`.
    """

    api_url: str
    repository: str
    token: str = field(repr=False)

    def report(self, commit: str, state: str, description: str, url: str) -> None:
        """See `CommitStatus.report`."""
        names = {"running": "pending", "cancelled": "warning"}
        body = {"state": names.get(state, state), "description": description, "target_url": url, "context": CONTEXT}
        path = f"/repos/{quote(self.repository)}/statuses/{require_commit(commit)}"
        _post(f"{self.api_url}{path}", {"Authorization": f"token {self.token}"}, _shortened(state, body))


def reporter_for(vendor: str | None, repository_url: str, settings: Mapping[str, str]) -> CommitStatus:
    """Return where to report for a repository.

    Args:
        vendor: github, gitlab, gitea, or None.
        repository_url: As the project was registered.
        settings: Environment variables: `FALAJ_GITHUB_TOKEN`, `FALAJ_GITLAB_TOKEN`, `FALAJ_GITEA_TOKEN`, and
            `FALAJ_<VENDOR>_API`, without which only github.com and gitlab.com are told.

    Returns:
        A reporter; one that does nothing when there is no vendor, no token, or no address to send it to.
    """
    token = settings.get(f"FALAJ_{vendor.upper()}_TOKEN", "") if vendor else ""
    if not vendor or not token:
        return Unreported()
    reporters: Mapping[str, Callable[[str, str, str], CommitStatus]] = {
        "github": GitHubStatus,
        "gitlab": GitLabStatus,
        "gitea": GiteaStatus,
    }
    if vendor not in reporters:
        raise GitInputError(
            f"unknown git host {vendor!r}", hint=f"one of {', '.join(reporters)}", code="git.status-refused"
        )
    host, path = _host_and_path(repository_url)
    api_url = settings.get(f"FALAJ_{vendor.upper()}_API") or _PUBLIC_APIS.get((vendor, host), "")
    return reporters[vendor](api_url.rstrip("/"), path, token) if api_url else Unreported()


def _host_and_path(url: str) -> tuple[str, str]:
    """Split `https://host[:port]/owner/name.git`, `ssh://git@host/...` or `git@host:owner/name`."""
    if "://" in url:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2] if parts.scheme in ("http", "https") else parts.hostname or ""
        path = parts.path
    else:
        host, _, path = url.rpartition("@")[2].partition(":")
    return host, path.strip("/").removesuffix(".git")


def _shortened(state: str, body: dict[str, str]) -> dict[str, str]:
    if state not in STATES:
        raise GitInputError(f"unknown state {state!r}", hint=f"one of {', '.join(STATES)}", code="git.status-refused")
    line = " ".join(body["description"].split())
    cut = line if len(line) <= MAX_DESCRIPTION else f"{line[: MAX_DESCRIPTION - 1]}…"
    return body | {"description": cut}


def _post(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> None:
    _require_success(_send(url, headers, body))


def _send(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> httpx.Response:
    import httpx

    try:
        # A redirect would carry the token to another host.
        return httpx.post(url, headers=dict(headers), json=body, timeout=TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        raise GitUnavailableError(
            f"the git host does not answer: {type(error).__name__}", where=redact(url), code="git.host-unavailable"
        ) from error


def _require_success(response: httpx.Response) -> None:
    status, url = response.status_code, redact(str(response.request.url))
    if 200 <= status < 300:
        return
    if status == 429 or status >= 500:
        raise GitUnavailableError(f"the git host answered {status}", where=url, code="git.host-unavailable")
    if status in (404, 422):
        raise GitMissingError(
            f"the git host does not know this commit or repository ({status})", where=url, code="git.no-commit"
        )
    hint = "check the token and its scopes" if status in (401, 403) else ""
    raise GitInputError(f"the git host refused the status ({status})", where=url, hint=hint, code="git.status-refused")
