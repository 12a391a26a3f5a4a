"""The one error that crosses from the project's environment to the check."""

from __future__ import annotations


class ProblemError(Exception):
    """The task cannot be done, for a reason that the reader can act on."""
