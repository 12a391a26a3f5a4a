"""The name of a step's result before it is known: a digest of everything that the result depends on.

Two executions with the same fingerprint give the same result, so the second is not run. It covers the project's
code that the step reaches, its declared files, parameters, inputs by content, the environment and the form in
which results are written. It does not cover resources, retries or timeouts: they change when a result is there,
not what it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RESULT_FORMAT = 1
"""Raised whenever the runner writes or reads results differently, so that older ones are not reused."""


@dataclass(frozen=True)
class StepFacts:
    """What a step's result depends on.

    Attributes:
        call: `module:function`, or the command and its arguments.
        code: Digest by path of every project file that the step reaches by imports or declares.
        params: Arguments after overrides, the matrix cell included.
        inputs: For each input its name and the digest and kind of each part.
        outputs: Names and kind of the outputs.
        environment: Digest of the environment.
        once_in: Run to which the result is bound (`cache: false`), empty when it may be used by every run.
    """

    call: str | Sequence[str]
    code: Mapping[str, str]
    params: Mapping[str, Any]
    inputs: Sequence[Sequence[Any]]
    outputs: Sequence[str]
    environment: str
    once_in: str = ""
    format: int = field(default=RESULT_FORMAT, init=False)


def fingerprint(facts: StepFacts) -> str:
    """64 hex digits that name the result of a step with these facts."""
    text = json.dumps({**vars(facts), "format": facts.format}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
