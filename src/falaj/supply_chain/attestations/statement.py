"""in-toto statements: what is said (predicate) about which artifacts (subjects).

Source: in-toto Attestation Framework, Statement v1
(https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from falaj.supply_chain.attestations.errors import EvidenceError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Subject:
    """An artifact that a statement is about.

    Args:
        name: What it is called there: `model`, or the name of a data source.
        digest: `sha256:<hex>` of the artifact's canonical manifest.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class Statement:
    """One claim, unsigned.

    Args:
        predicate_type: URI that says how to read the predicate.
        subjects: At least one artifact.
        predicate: The claim itself, plain JSON.
    """

    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the statement in the shape of the in-toto specification."""
        return {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": s.name, "digest": {"sha256": s.digest.removeprefix("sha256:")}} for s in self.subjects
            ],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }

    def is_about(self, digest: str) -> bool:
        """Tell whether the artifact with this digest is among the subjects."""
        return any(subject.digest == digest for subject in self.subjects)


def statement(predicate_type: str, subjects: Iterable[tuple[str, str]], predicate: Mapping[str, Any]) -> Statement:
    """Build a statement.

    Args:
        predicate_type: One of the constants in `falaj.supply_chain.attestations.predicates`.
        subjects: Pairs of name and digest.
        predicate: What `Predicate.as_dict()` gives.

    Raises:
        EvidenceError: When there is no subject or a digest is not one.
    """
    checked_subjects = tuple(Subject(name, require_digest(digest)) for name, digest in subjects)
    if not checked_subjects:
        raise EvidenceError("a statement needs at least one subject")
    return Statement(predicate_type, checked_subjects, predicate)


def parse_statement(value: Any, *, where: str = "") -> Statement:
    """Read a statement from parsed JSON.

    Raises:
        EvidenceError: `evidence.malformed`, naming what is missing.
    """
    match value:
        case {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": list(subjects),
            "predicateType": str(kind),
            "predicate": dict(predicate),
        }:
            return Statement(
                kind, tuple(_parse_subject(subject, where) for subject in _some(subjects, where)), predicate
            )
        case _:
            raise EvidenceError("this is not an in-toto Statement v1", where=where)


def require_digest(text: str, *, where: str = "") -> str:
    """Return the text when it is a digest.

    Raises:
        EvidenceError: When it is anything but `sha256:` and 64 lower-case hex digits.
    """
    if not _DIGEST.fullmatch(text):
        raise EvidenceError(f"{text!r} is not a digest", where=where, hint="sha256: and 64 lower-case hex digits")
    return text


def _some(subjects: list[Any], where: str) -> list[Any]:
    if not subjects:
        raise EvidenceError("the statement has no subject", where=where)
    return subjects


def _parse_subject(value: Any, where: str) -> Subject:
    match value:
        case {"name": str(name), "digest": {"sha256": str(digest)}}:
            return Subject(name, require_digest(f"sha256:{digest}", where=where))
        case _:
            raise EvidenceError("a subject needs a name and a sha256 digest", where=where)
