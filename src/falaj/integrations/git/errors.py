"""What goes wrong between Falaj and a git host."""

from __future__ import annotations

from falaj.core.errors import NotFoundError, UnavailableError, UsageError


class GitInputError(UsageError):
    """A URL, ref, commit or webhook is not acceptable. Codes: `git.url`, `git.ref`, `git.commit`, `git.name`."""

    code = "git.input"


class GitMissingError(NotFoundError):
    """A branch, commit or repository does not exist. Codes: `git.no-branch`, `git.no-commit`, `git.no-repository`."""

    code = "git.missing"


class GitUnavailableError(UnavailableError):
    """Git or its remote did not answer. Codes: `git.failed`, `git.timeout`, `git.not-installed`."""

    code = "git.failed"


class WebhookRefusedError(UsageError):
    """A webhook is not from whom it says, is too large, too old or not readable.

    Codes: `git.webhook-signature` (401), `git.webhook-stale` (401), `git.webhook-too-large` (413),
    `git.webhook-malformed` (400), `git.webhook-no-secret` (400).
    """

    code = "git.webhook-malformed"

    def __init__(self, message: str, *, code: str = "", status: int = 400, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
