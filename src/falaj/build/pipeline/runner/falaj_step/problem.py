"""The one error that this package raises on purpose."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - it becomes a StepError in the engine
    """Something about the step is wrong, and the message says all there is to know; no traceback is needed.

    Args:
        code: `step.what`.
        message: What is wrong.
        hint: What to do about it.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
