"""The errors that users see, as one tree.

    FalajError
    ├── UsageError            the command or file is wrong; nothing was changed        (exit 2, HTTP 400)
    │   └── ProjectError      falaj.yaml is wrong; carries one issue per mistake
    ├── NotFoundError         what was named does not exist                            (exit 3, HTTP 404)
    ├── ConflictError         the state does not allow it now                          (exit 4, HTTP 409)
    ├── IntegrityError        bytes or signatures are not what they must be            (exit 5, HTTP 422)
    ├── UnavailableError      a process, port, disk or service is unavailable          (exit 6, HTTP 503)
    ├── RunFailedError        a step, check or gate did not pass                       (exit 1, HTTP 422)
    └── MissingExtraError     an optional dependency is not installed                  (exit 2, HTTP 501)

Rooms subclass these beside their domain and give each error a stable `code` such as `artifact.corrupt`.
"""

from __future__ import annotations

EXIT_CODES = {400: 2, 401: 2, 403: 7, 404: 3, 409: 4, 413: 2, 422: 5, 429: 6, 501: 2, 503: 6}
"""The exit code of a command by the HTTP status of an answer that does not name one; others are 1."""


class FalajError(Exception):
    """Base of every error that Falaj raises on purpose.

    Args:
        message: What went wrong, in one sentence that names the thing.
        where: The place: `falaj.yaml:12:5`, a step, a digest, a port.
        hint: What the reader can do about it.
        code: Stable identifier, `room.what`; overrides the class's own.
    """

    code = "falaj.error"
    status = 500
    exit_code = 1
    retry_after_s: float | None = None

    def __init__(self, message: str, *, where: str = "", hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        if code:
            self.code = code

    def __str__(self) -> str:
        """One line for logs: place, message, hint."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{advice}"

    def lines(self) -> list[str]:
        """What a terminal shows: the message, the place, and how to mend it, or else the code to look up."""
        place = [f"  at: {self.where}"] if self.where else []
        return [f"error: {self.message}", *place, f"  fix: {self.hint}" if self.hint else f"  code: {self.code}"]


class UsageError(FalajError):
    """The command line, request or file is wrong; nothing was changed."""

    code, status, exit_code = "usage", 400, 2


class NotFoundError(FalajError):
    """What was named does not exist."""

    code, status, exit_code = "not-found", 404, 3


class ConflictError(FalajError):
    """The state does not allow the action now."""

    code, status, exit_code = "conflict", 409, 4


class IntegrityError(FalajError):
    """Bytes, digests or signatures are not what they must be."""

    code, status, exit_code = "integrity", 422, 5


class UnavailableError(FalajError):
    """A process, port, disk or service is unavailable; retry may help."""

    code, status, exit_code = "unavailable", 503, 6


class RunFailedError(FalajError):
    """A step, check or gate did not pass."""

    code, status, exit_code = "run.failed", 422, 1


class MissingExtraError(FalajError):
    """An optional dependency is not installed.

    Args:
        extra: The name in `pip install 'falaj[EXTRA]'`.
        needed_for: What cannot be done without it.
    """

    code, status, exit_code = "extra.missing", 501, 2

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs an optional part", hint=f"pip install 'falaj[{extra}]'")
