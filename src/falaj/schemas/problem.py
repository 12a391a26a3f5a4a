"""What every refusal looks like (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FieldIssue:
    """One thing that is wrong with a request."""

    field: str
    message: str


@dataclass(frozen=True)
class Problem:
    """Why a request was not carried out.

    Attributes:
        type: Address of the page about it.
        title: What is wrong, for people.
        status: As of the answer.
        code: Stable, for programs.
        exit_code: What a command that meets it ends with.
        where: The field, file or thing that it is about.
        hint: What to do.
        detail: More of it.
        issues: Of a request that is not valid, everything that is wrong with it.
    """

    type: str
    title: str
    status: int
    code: str
    exit_code: int
    where: str = ""
    hint: str = ""
    detail: str = ""
    issues: list[FieldIssue] = field(default_factory=list)
