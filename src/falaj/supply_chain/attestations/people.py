"""People in evidence: whose keys are believed, and whether enough of them approved.

Quorum counts distinct people and distinct keys, and takes the smaller number: one person with two keys is one, and so
is one key under two names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from falaj.supply_chain.attestations.decisions import APPROVAL, IDENTITY, Admission, Approval, Identity, gates_digest
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import TrustedKey, key_id_of
from falaj.supply_chain.attestations.predicates import EVAL, TRAIN, Snapshot, Train
from falaj.supply_chain.attestations.rules import Facts, Problem, Verified

CLOCK_SKEW_S = 60.0
"""How far the clocks of people, control plane and location may be apart."""

_ADDRESS = re.compile(r"<([^<>]*)>\s*$")


def keys_of_people(
    statements: Iterable[Verified], trusted: Mapping[str, TrustedKey]
) -> tuple[dict[str, TrustedKey], list[Problem]]:
    """Return the keys that identity statements vouch for, each believed about approvals alone.

    Args:
        statements: Verified statements; the identities among them are looked at.
        trusted: Keys of roles; none of them may be a person's.

    Returns:
        Keys by id, and what is wrong with the identities that were left out.
    """
    keys: dict[str, TrustedKey] = {}
    owners: dict[str, str] = {}
    disputed: set[str] = set()
    problems: list[Problem] = []
    for item in statements:
        if item.statement.predicate_type != IDENTITY:
            continue
        identity: Identity = item.content
        if reason := _why_not(identity, item, trusted, owners):
            disputed.add(identity.key_id)
            problems.append(Problem("admission.identity", item.where, reason))
        owners.setdefault(identity.key_id, identity.person)
        keys[identity.key_id] = TrustedKey(identity.pem, frozenset({APPROVAL}))
    return {key_id: key for key_id, key in keys.items() if key_id not in disputed}, problems


def _why_not(
    identity: Identity, item: Verified, trusted: Mapping[str, TrustedKey], owners: Mapping[str, str]
) -> str | None:
    if not item.statement.is_about(f"sha256:{identity.key_id}"):
        return "the subject is not the key"
    try:
        actual = key_id_of(identity.pem)
    except EvidenceError as error:
        return error.message
    if actual != identity.key_id:
        return "the key id is not that of the key"
    if identity.key_id in trusted:
        return f"the key of {identity.person} is one of the platform's own"
    if owners.get(identity.key_id, identity.person) != identity.person:
        return f"one key of two people: {owners[identity.key_id]} and {identity.person}"
    return None


def enough_people_approved(
    facts: Facts, admission: Verified, floor: int, now: float, pinned: frozenset[str] | None = None
) -> Iterator[Problem]:
    """Demand the quorum of an admission: distinct people with distinct keys, none of them author or requester.

    Args:
        facts: All verified statements.
        admission: The admission that is looked at.
        floor: The least number of people that the location asks for, whatever the admission says.
        now: Unix seconds.
        pinned: Ids of the keys whose approvals count; None counts every key that an identity statement vouches for.
    """
    wanted: Admission = admission.content
    listed = {item.envelope: item for item in facts.of(APPROVAL)}
    people: set[str] = set()
    addresses: set[str] = set()
    keys: set[str] = set()
    for digest in wanted.approvals:
        if digest not in listed:
            yield Problem("admission.approval", admission.where, f"the approval {digest[:19]} is not in the bundle")
            continue
        found = listed[digest]
        problems = [*_approval_problems(facts, wanted, found, now)]
        yield from problems
        if not problems and (pinned is None or found.key_ids & pinned):
            people.add(found.content.approver)
            addresses |= {identity.email.casefold() for identity in _identities_of(facts, found)}
            keys |= found.key_ids if pinned is None else found.key_ids & pinned
    needed, counted = max(wanted.quorum, floor), min(len(people), len(addresses), len(keys))
    if counted < needed:
        whose = "" if pinned is None else " with keys that this location names"
        message = f"{counted} of {needed} people approved {wanted.environment}{whose}"
        yield Problem("admission.quorum", admission.where, message)


def _approval_problems(facts: Facts, admission: Admission, item: Verified, now: float) -> Iterator[Problem]:
    approval: Approval = item.content
    for what, said, expected in _bound(facts, admission, approval):
        if said != expected:
            message = f"the approval is of another {what}: {_brief(said)} instead of {_brief(expected)}"
            yield Problem("admission.approval", item.where, message)
    yield from _timely(approval, admission, item.where, now)
    identities = _identities_of(facts, item)
    if not any(identity.person == approval.approver for identity in identities):
        whose = identities[0].person if identities else "nobody known"
        yield Problem("admission.identity", item.where, f"signed by a key of {whose}, not of {approval.approver}")
    elif not any(identity.not_before <= approval.approved_at <= identity.not_after for identity in identities):
        yield Problem("admission.identity", item.where, f"the key of {approval.approver} was not valid at that time")
    yield from _separate(facts, approval, identities, item.where)


def _bound(facts: Facts, admission: Admission, approval: Approval) -> Iterator[tuple[str, object, object]]:
    """What an approval says beside what is the case: whatever differs makes it void."""
    yield "change", approval.change, admission.change
    yield "kind of change", approval.kind, admission.kind
    yield "release", approval.release, f"{admission.model}@{admission.release}"
    yield "digest", approval.digest, admission.digest
    yield "environment", approval.environment, admission.environment
    yield "rank", approval.rank, admission.rank
    yield "commit", approval.commit, facts.release.commit
    for train in facts.of(TRAIN):
        yield "data", _sorted(approval.snapshots), _sorted(train.content.snapshots)
    for evaluation in facts.of(EVAL):
        yield "result of the gates", approval.gates_digest, gates_digest(evaluation.statement.predicate)


def _timely(approval: Approval, admission: Admission, where: str, now: float) -> Iterator[Problem]:
    if approval.approved_at > now + CLOCK_SKEW_S:
        yield Problem("admission.approval", where, "the approval was given in the future")
    if not approval.approved_at - CLOCK_SKEW_S <= admission.not_before <= approval.expires_at:
        yield Problem("admission.approval", where, "the approval had expired, or was not given, when it was used")


def _separate(facts: Facts, approval: Approval, identities: Sequence[Identity], where: str) -> Iterator[Problem]:
    if approval.approver == approval.requester:
        yield Problem("admission.self-approval", where, f"{approval.approver} requested the change and approved it")
    addresses = {identity.email.casefold() for identity in identities}
    for train in facts.of(TRAIN):
        if addresses_of(train.content) & addresses:
            yield Problem("admission.self-approval", where, f"{approval.approver} wrote the commit and approved it")
        if approval.approver == train.content.started_by:
            yield Problem("admission.self-approval", where, f"{approval.approver} pushed the commit and approved it")


def addresses_of(train: Train) -> frozenset[str]:
    """The addresses of everyone who wrote what a run built, in lower case."""
    found = map(address_of, (train.author, *train.contributors))
    return frozenset(address for address in found if address)


def address_of(author: str) -> str:
    """Return the address of `Name <address>` in lower case; empty when there is none."""
    found = _ADDRESS.search(author)
    return found[1].casefold() if found else ""


def _identities_of(facts: Facts, item: Verified) -> list[Identity]:
    return [found.content for found in facts.of(IDENTITY) if found.content.key_id in item.key_ids]


def _sorted(snapshots: Iterable[Snapshot]) -> list[tuple[str, str]]:
    return sorted((snapshot.name, snapshot.digest) for snapshot in snapshots)


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
