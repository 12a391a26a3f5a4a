"""Offline verification of a release: bytes, signatures, and whether the statements fit together.

It needs the bundle and the public keys, and nothing else: no server, no database, no network, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.supply_chain.attestations.bundle import Bundle, read_bundle
from falaj.supply_chain.attestations.canonical import parse
from falaj.supply_chain.attestations.claims import claimed
from falaj.supply_chain.attestations.decisions import envelope_digest
from falaj.supply_chain.attestations.envelope import verify_signed
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import TrustedKey
from falaj.supply_chain.attestations.mlbom import MLBOM, read_mlbom
from falaj.supply_chain.attestations.people import keys_of_people
from falaj.supply_chain.attestations.predicates import PROVENANCE, read
from falaj.supply_chain.attestations.provenance import read_provenance
from falaj.supply_chain.attestations.rules import CONTENT, RULES, EvidenceFacts, EvidenceProblem, Rule, Verified
from falaj.supply_chain.attestations.statement import Statement
from falaj.supply_chain.attestations.tree import tree_digest


@dataclass(frozen=True)
class Verification:
    """The outcome; a release without problems may be believed.

    Args:
        problems: Everything that is wrong, not only the first.
        statements: What was signed by trusted keys, whether or not it fits.
        checked: Envelopes looked at.
        checkpoint: The checkpoint of the audit log that was believed; empty when none was asked for.
    """

    problems: tuple[EvidenceProblem, ...]
    statements: tuple[Verified, ...]
    checked: int
    checkpoint: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def claimed(self) -> tuple[str, ...]:
        """What was signed on the worker's word, in words for people."""
        return claimed(item.statement for item in self.statements)

    def require(self) -> Verification:
        """Return self.

        Raises:
            EvidenceError: With the code of the first problem and the text of all, when there is one.
        """
        if self.problems:
            text = "; ".join(str(problem) for problem in self.problems)
            raise EvidenceError(f"the release cannot be verified: {text}", code=self.problems[0].code)
        return self


def verify_release(
    bundle: Path | Bundle,
    keys: Mapping[str, TrustedKey],
    model_dir: Path | None = None,
    *,
    rules: Sequence[Rule] = RULES,
    digest_of: Callable[[Path], str] = tree_digest,
) -> Verification:
    """Verify a release offline.

    Args:
        bundle: Folder as `write_bundle` leaves it, or one already read.
        keys: Whom to believe about what. Keys inside the bundle are never used.
        model_dir: The model's folder; by default `model/` in the bundle.
        rules: What the statements must say together.
        digest_of: How a model folder is digested.

    Returns:
        Every problem that was found; never raises for what the bundle holds.
    """
    try:
        opened = read_bundle(bundle) if isinstance(bundle, Path) else bundle
    except EvidenceError as error:
        return Verification((problem_of(error, "release.json"),), (), 0)
    statements, problems = verified(opened, keys)
    problems += model_problems(opened, model_dir, digest_of)
    facts = EvidenceFacts(opened.release, tuple(statements))
    problems += [problem for rule in rules for problem in rule(facts)]
    return Verification(tuple(problems), facts.statements, len(opened.evidence))


def verified(bundle: Bundle, keys: Mapping[str, TrustedKey]) -> tuple[list[Verified], list[EvidenceProblem]]:
    """Return what trusted keys signed, and what is wrong with the rest.

    Approvals are signed by keys that only identity statements vouch for, so they are looked at after those.
    """
    problems = [problem_of(error, "evidence") for error in bundle.unreadable]
    first = {name: _attempt(f"evidence/{name}", data, keys) for name, data in bundle.evidence.items()}
    people, of_people = keys_of_people((item for item in first.values() if isinstance(item, Verified)), keys)
    statements: list[Verified] = []
    for name, outcome in first.items():
        if isinstance(outcome, EvidenceProblem) and outcome.code == "evidence.untrusted-key" and people:
            outcome = _attempt(f"evidence/{name}", bundle.evidence[name], people)
        (statements if isinstance(outcome, Verified) else problems).append(outcome)  # type: ignore[arg-type]
    return statements, [*problems, *of_people]


def _attempt(where: str, data: bytes, keys: Mapping[str, TrustedKey]) -> Verified | EvidenceProblem:
    try:
        envelope = parse(data, where=where)
        signed = verify_signed(envelope, keys, where=where)
        content = read_content(signed.statement, where=where)
        return Verified(where, signed.statement, content, signed.key_ids, envelope_digest(envelope))
    except EvidenceError as error:
        return problem_of(error, where)


def read_content(statement: Statement, *, where: str = "") -> Any:
    """Return the predicate as its class.

    Raises:
        EvidenceError: `evidence.unknown-predicate` or `evidence.malformed`.
    """
    kind = statement.predicate_type
    if kind == PROVENANCE:
        return read_provenance(statement.predicate, where=where)
    if kind == MLBOM:
        return read_mlbom(statement.predicate, where=where)
    if kind not in CONTENT:
        raise EvidenceError(f"unknown predicate type {kind!r}", where=where, code="evidence.unknown-predicate")
    return read(statement, CONTENT[kind], where=where)


def model_problems(bundle: Bundle, model_dir: Path | None, digest_of: Callable[[Path], str]) -> list[EvidenceProblem]:
    """Tell whether the model's files are those of the release."""
    folder = model_dir or (bundle.folder / "model" if bundle.folder else None)
    if folder is None:
        return [EvidenceProblem("evidence.bundle", "model", "no model folder was given")]
    try:
        actual_digest = digest_of(folder)
    except EvidenceError as error:
        return [problem_of(error, "model")]
    if actual_digest == bundle.release.digest:
        return []
    message = (
        f"the files have digest {actual_digest}, the release says {bundle.release.digest}: a file was changed, "
        "added or removed"
    )
    return [EvidenceProblem("evidence.model-changed", "model", message)]


def problem_of(error: EvidenceError, where: str) -> EvidenceProblem:
    """Return an error as a problem of a bundle."""
    return EvidenceProblem(error.code, error.where or where, error.message)
