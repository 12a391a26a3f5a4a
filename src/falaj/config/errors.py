"""What is wrong with a project file, one issue for each mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from falaj.core.errors import UsageError


@dataclass(frozen=True)
class Issue:
    """One mistake.

    Attributes:
        file: The file as the user named it.
        line: From 1.
        column: From 1, in characters.
        field: Dotted path such as `pipeline.fit.inputs[0]`; empty for the file as a whole.
        message: What is wrong.
        expected: What would be right; may be empty.
        suggestion: The nearest valid name, when one is near.
    """

    file: str
    line: int
    column: int
    field: str
    message: str
    expected: str = ""
    suggestion: str | None = None

    @property
    def where(self) -> str:
        """`file:line:column`, as editors and terminals understand it."""
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def advice(self) -> str:
        """What to write instead, in one phrase; may be empty."""
        expected = f"expected {self.expected}" if self.expected else ""
        nearest = f"did you mean {self.suggestion!r}?" if self.suggestion else ""
        return "; ".join(part for part in (expected, nearest) if part)

    def __str__(self) -> str:
        """One line: place, field, message, advice."""
        field = f"{self.field}: " if self.field else ""
        advice = f" ({self.advice})" if self.advice else ""
        return f"{self.where}: {field}{self.message}{advice}"


class ProjectError(UsageError):
    """falaj.yaml is wrong.

    Args:
        issues: Every mistake that was found, in the order of the file; at least one.
    """

    code = "project.invalid"
    file = "project file"

    def __init__(self, issues: Sequence[Issue]) -> None:
        self.issues = tuple(sorted(issues, key=lambda issue: (issue.file, issue.line, issue.column)))
        first = self.issues[0]
        message = f"{first.field}: {first.message}" if first.field else first.message
        if len(self.issues) > 1:
            message += f" (and {len(self.issues) - 1} more)"
        super().__init__(message, where=first.where, hint=first.advice)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that was probably meant; None when none is near."""
    by_lower = {candidate.lower(): candidate for candidate in valid}
    close_matches = difflib.get_close_matches(name.lower()[:100], by_lower, n=1, cutoff=0.6)
    return by_lower[close_matches[0]] if close_matches else None
