"""The admission verifier: may this location serve this release here, now? Answered offline, from signed bytes alone.

The order of the questions: is the audit log the one that was seen before; are the files those of the release; did
the right roles sign, and does the log hold every envelope; do the statements belong together; did the scans look at
anything; did enough people approve, none of them its author; is it for this place and this time; may the data's
model be here at all. Everything that is wrong is reported, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from falaj.supply_chain.attestations.bundle import Bundle, read_bundle
from falaj.supply_chain.attestations.decisions import ADMISSION, CHANGE_KINDS, AdmissionDecision
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import TrustedKey
from falaj.supply_chain.attestations.logproof import LogProof, check_log, not_in_log
from falaj.supply_chain.attestations.people import CLOCK_SKEW_S, enough_people_approved
from falaj.supply_chain.attestations.predicates import DATASET, Dataset
from falaj.supply_chain.attestations.rules import RULES, EvidenceFacts, EvidenceProblem, Verified
from falaj.supply_chain.attestations.tree import tree_digest
from falaj.supply_chain.attestations.verification import Verification, model_problems, problem_of, verified

PINNED = frozenset({"health", "banking", "government"})
"""Classifications whose models stay in the jurisdiction that the data comes from."""


@dataclass(frozen=True)
class AdmissionTarget:
    """Where it would serve, as the location itself knows it.

    Args:
        environment: The environment.
        location: Name of the location.
        jurisdiction: Of the location; None when the location was not told its own.
        floor: The least number of approvals that this location asks for in this environment.
        approval_keys: Ids of the keys whose approvals count here; None believes the control plane whose keys they are.
    """

    environment: str
    location: str
    jurisdiction: str | None
    floor: int = 0
    approval_keys: frozenset[str] | None = None


def verify_admission(
    bundle: Path | Bundle,
    keys: Mapping[str, TrustedKey],
    model_dir: Path | None = None,
    *,
    log_key: str | None,
    last_seen_checkpoint: str | None,
    environment: str,
    location: str,
    jurisdiction: str | None,
    now: float,
    floors: Mapping[str, int] | None = None,
    approval_keys: Mapping[str, frozenset[str]] | None = None,
    require_log: bool = True,
    digest_of: Callable[[Path], str] = tree_digest,
) -> Verification:
    """Verify that a location may serve a release.

    Args:
        bundle: Folder as `write_bundle` leaves it, or one already read.
        keys: Whom to believe about what.
        model_dir: The model's folder; by default `model/` in the bundle.
        log_key: Public key of the audit log in PEM; None believes no log.
        last_seen_checkpoint: The last checkpoint that this location believed; a log that is older or another is
            refused. None at first.
        environment: Where it would serve.
        location: Name of the location.
        jurisdiction: Of the location; None when the location does not know its own.
        now: Unix seconds.
        floors: The least number of approvals by environment, whatever an admission says.
        approval_keys: Ids of the keys whose approvals count, by environment; where none are named, every person's.
        require_log: False leaves the audit log out, for a bundle that was exported without it.
        digest_of: How a model folder is digested.

    Returns:
        Every problem that was found, and the checkpoint to remember; never raises for what the bundle holds.
    """
    try:
        opened = read_bundle(bundle) if isinstance(bundle, Path) else bundle
    except EvidenceError as error:
        return Verification((problem_of(error, "release.json"),), (), 0)
    pinned = (approval_keys or {}).get(environment)
    place = AdmissionTarget(environment, location, jurisdiction, (floors or {}).get(environment, 0), pinned)
    proof, problems = check_log(opened.log, log_key, last_seen_checkpoint) if require_log else (None, [])
    problems += model_problems(opened, model_dir, digest_of)
    statements, unbelieved = verified(opened, keys)
    facts = EvidenceFacts(opened.release, tuple(statements))
    problems += unbelieved
    problems += _logged(facts, proof)
    problems += [problem for rule in RULES for problem in rule(facts)]
    problems += _decided(facts, place, now)
    checkpoint = proof.checkpoint if proof and not problems else ""
    return Verification(tuple(problems), facts.statements, len(opened.evidence), checkpoint)


def _logged(facts: EvidenceFacts, proof: LogProof | None) -> Iterator[EvidenceProblem]:
    if proof is not None:
        for item in facts.statements:
            if reason := not_in_log(item.envelope, proof):
                yield EvidenceProblem("admission.not-logged", item.where, reason)


def _decided(facts: EvidenceFacts, place: AdmissionTarget, now: float) -> Iterator[EvidenceProblem]:
    admission = chosen_admission(facts, place)
    if admission is None:
        yield EvidenceProblem("admission.missing", "evidence", "the control plane admitted this release nowhere")
        return
    yield from enough_people_approved(facts, admission, place.floor, now, place.approval_keys)
    yield from is_for_this_place(facts.release.number, admission, place)
    yield from is_for_this_time(admission, now)
    yield from stays_where_it_must(facts, admission)


def chosen_admission(facts: EvidenceFacts, place: AdmissionTarget) -> Verified | None:
    """Return the admission to judge: for this place if there is one, of several the one that lasts longest."""

    def preference(item: Verified) -> tuple[bool, bool, float]:
        decision: AdmissionDecision = item.content
        return decision.environment == place.environment, decision.location == place.location, decision.expires_at

    return max(facts.of(ADMISSION), key=preference, default=None)


def is_for_this_place(number: int, item: Verified, place: AdmissionTarget) -> Iterator[EvidenceProblem]:
    """Demand that an admission names this release, environment, location and jurisdiction."""
    admission: AdmissionDecision = item.content
    expected: Sequence[tuple[str, object, object]] = (
        ("release", admission.release, number),
        ("environment", admission.environment, place.environment),
        ("location", admission.location, place.location),
        ("jurisdiction", admission.jurisdiction, place.jurisdiction or admission.jurisdiction),
    )
    for what, actual, needed in expected:
        if actual != needed:
            yield EvidenceProblem("admission.elsewhere", item.where, f"admitted for {what} {actual}, not {needed}")
    if admission.kind not in CHANGE_KINDS:
        yield EvidenceProblem("admission.elsewhere", item.where, f"there is no change of kind {admission.kind}")


def is_for_this_time(item: Verified, now: float) -> Iterator[EvidenceProblem]:
    """Demand that an admission has begun and has not ended."""
    admission: AdmissionDecision = item.content
    if now + CLOCK_SKEW_S < admission.not_before:
        yield EvidenceProblem("admission.early", item.where, f"admitted only in {admission.not_before - now:.0f} s")
    if now >= admission.expires_at:
        yield EvidenceProblem(
            "admission.expired", item.where, f"the admission ended {now - admission.expires_at:.0f} s ago"
        )


def stays_where_it_must(facts: EvidenceFacts, item: Verified) -> Iterator[EvidenceProblem]:
    """Refuse a model of pinned data outside the jurisdiction that the data comes from."""
    admission: AdmissionDecision = item.content
    for dataset_item in facts.of(DATASET):
        dataset: Dataset = dataset_item.content
        if dataset.classification in PINNED and dataset.origin != admission.jurisdiction:
            where = admission.jurisdiction or "an unknown jurisdiction"
            message = (
                f"{dataset.classification} data of {dataset.origin} reached this model; it may not serve in {where}"
            )
            yield EvidenceProblem("admission.residency", dataset_item.where, message)
