"""What goes into the bill of materials of a model, and whether the document keeps its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from falaj.checks.lockfiles import find_lockfile, read_lockfile
from falaj.evidence import MLBOM
from falaj.evidence.canonical import parse
from falaj.evidence.envelope import decode
from falaj.runs.outcome import Outcome


def locked_packages(worktree: Path) -> tuple[tuple[str, str], ...]:
    """Name and exact version of what the project's lockfile names; empty without a lockfile.

    Raises:
        CheckError: The lockfile cannot be read.
    """
    lockfile = find_lockfile(worktree)
    if lockfile is None:
        return ()
    return tuple((item.name, item.version) for item in read_lockfile(lockfile) if item.version)


def keeps_schema(outcome: Outcome) -> Outcome:
    """Return the outcome, rejected when its bill of materials is not CycloneDX 1.6."""
    for kind, envelope in outcome.envelopes:
        if kind == MLBOM and (problem := schema_problem(parse(decode(envelope)[1])["predicate"])):
            return replace(outcome, state="rejected", reason=problem)
    return outcome


def schema_problem(document: Mapping[str, Any]) -> str:
    """Why a document is not CycloneDX 1.6; empty when it is, or when the schema's validator is not installed."""
    found = validator()
    problem = found.validate_str(json.dumps(document)) if found else None
    return f"the bill of materials is not CycloneDX 1.6: {problem}" if problem else ""


@cache
def validator() -> Any:
    """The validator of the schema, or None when it is not installed.

    Its import takes more than a second, so that only a worker asks for it, and early.
    """
    if find_spec("jsonschema") is None:
        return None
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6)
