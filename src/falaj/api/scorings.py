"""May a file be scored: by which release, where, and as what kind of data; and what is written of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from falaj.api.routers.locations import endpoint_plan
from falaj.control import changes
from falaj.control import compliance as privacy
from falaj.control import releases as release
from falaj.control.changes.findings import evidence_for
from falaj.control.changes.privacy import privacy_facts, subject_of
from falaj.control.releases.states import WITHDRAWN
from falaj.core.errors import ConflictError, NotFoundError
from falaj.core.principal import Principal
from falaj.schemas.scoring import ScoringPermit, ScoringRecord
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.supply_chain.attestations.admission import PINNED
from falaj.trust import audit, lineage
from falaj.trust.audit import record as trail
from falaj.trust.policy import Action, PrivacyFacts, Resource, require

READ = "read"


@dataclass(frozen=True)
class ScoringRequest:
    """What somebody wants to score.

    Attributes:
        release: `model` for what the endpoint serves, or `model@number`.
        environment: Whose admission counts.
        location: Where.
        digest: Of the file, `sha256:` and hex.
        filename: Its name.
        label: What the caller says of the data; None for what is known of it.
    """

    release: str
    environment: str
    location: str
    digest: str
    filename: str
    label: privacy.Label | None = None


def permit(turn: changes.Turn, caller: Principal, wanted: ScoringRequest) -> ScoringPermit:
    """Decide whether a file may be scored, and write that it was permitted.

    Raises:
        NotFoundError: There is no such model, environment, location or release.
        ConflictError: No release is admitted there, or not the named one.
        ForbiddenError: Policy does not permit it to the caller, or not with this data.
    """
    model, _, number = wanted.release.partition("@")
    row = _endpoint(turn, model, wanted)
    arm = _named_arm(turn, row, wanted) if number else _serving_arm(row)
    made = turn.session.get_one(ReleaseRow, (model, arm.release))
    if made.state in WITHDRAWN:
        raise ConflictError(f"{model}@{made.number} is {made.state}", hint="falaj releases lists others")
    labels = _labels(turn, made, wanted)
    _require(turn, caller, made, wanted, labels, named=bool(number))
    scoring = scoring_id(model, made.number, wanted)
    name, now = f"{model}@{made.number}", turn.now
    classification = max((each.classification for each in labels), key=_sensitivity, default="public")
    if wanted.label is not None:
        taken = privacy.Taken(wanted.digest, f"{model}/{wanted.label.name}", wanted.filename, wanted.label)
        privacy.keep_label(turn.session, taken, now)
    _record(turn, scoring, name, wanted.digest)
    details = {
        "release": name, "environment": wanted.environment, "location": wanted.location, "input": wanted.digest,
        "classification": classification,
    }  # fmt: skip
    trail.write(turn.session, "scoring.permitted", caller.id, f"endpoint/{row.environment}/{model}", now, details)
    plan = endpoint_plan(turn, row, arm, audit.newest_checkpoint(turn.session))
    residency = turn.spec.locations[wanted.location].jurisdiction
    endpoint = f"{row.environment}/{model}"
    return ScoringPermit(scoring, name, endpoint, wanted.location, residency, classification, plan, caller.id)


def complete(turn: changes.Turn, caller: Principal, scoring: str, output: str, rows: int) -> ScoringRecord:
    """Write what came of a scoring that was permitted; saying it again changes nothing but the audit log.

    Raises:
        NotFoundError: Nobody was permitted to do it.
        ForbiddenError: The caller may not score by the model.
    """
    done = lineage.Node("scoring", scoring)
    edges = {edge.relation: edge.origin.name for edge in lineage.upstream(turn.session, done) if edge.derived == done}
    if lineage.MADE_BY not in edges:
        raise NotFoundError(f"no scoring '{scoring}'", hint="falaj score asks for one", code="scoring.unknown")
    name = edges[lineage.MADE_BY]
    model = name.partition("@")[0]
    resource = Resource("release", name, project=release.owner_of(turn.session, model))
    require(turn.session, caller, Action.SCORE, resource, {"now": turn.now})
    lineage.record(turn.session, [lineage.Edge(lineage.Node("artifact", output), lineage.MADE_BY, done)], turn.now)
    details = {"release": name, "input": edges[READ], "output": output, "rows": rows}
    trail.write(turn.session, "file.scored", caller.id, f"release/{name}", turn.now, details)
    return ScoringRecord(scoring, name, edges[READ], output, rows)


def scoring_id(model: str, number: int, wanted: ScoringRequest) -> str:
    """The id of a scoring; doing it again is the same one."""
    text = f"{wanted.digest}\n{model}@{number}\n{wanted.environment}\n{wanted.location}"
    return f"{model}/{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _endpoint(turn: changes.Turn, model: str, wanted: ScoringRequest) -> EndpointRow:
    release.require_owner(turn.session, model)
    turn.environment(wanted.environment)
    row = turn.session.get(EndpointRow, (wanted.location, wanted.environment, model))
    if row is None or row.plan.get("withdrawn") or wanted.location not in turn.spec.locations:
        raise NotFoundError(
            f"no endpoint {wanted.environment}/{model} at location '{wanted.location}'",
            hint="falaj endpoints lists those that there are", code="scoring.endpoint",
        )  # fmt: skip
    return row


def _serving_arm(row: EndpointRow) -> release.Arm:
    """What the endpoint serves: while a candidate rolls out, the release that it is judged against."""
    arms = {arm.role: arm for arm in release.arms_of(row)}
    if stable := arms.get("stable"):
        return stable
    if row.status.get("state") != "ready" or row.status.get("release") != row.release:
        raise ConflictError(
            f"{row.environment}/{row.model} does not serve release {row.release} yet",
            hint="falaj endpoints shows how far it is", code="scoring.not-serving",
        )  # fmt: skip
    return arms["primary"]


def _named_arm(turn: changes.Turn, row: EndpointRow, wanted: ScoringRequest) -> release.Arm:
    """A release that was brought into the environment at some time; its admission is verified where it is scored."""
    made = release.find(turn.session, wanted.release)
    running = next((arm for arm in release.arms_of(row) if arm.release == made.number), None)
    if running is not None:
        return running
    query = select(ChangeRow.id).where(
        ChangeRow.model == made.model, ChangeRow.release == made.number, ChangeRow.environment == wanted.environment,
        ChangeRow.state.in_(changes.PASSED),
    )  # fmt: skip
    change = turn.session.scalar(query.order_by(ChangeRow.created_at.desc()).limit(1))
    if change is None:
        raise ConflictError(
            f"{made.model}@{made.number} was never admitted in {wanted.environment}",
            hint=f"falaj promote {made.model}@{made.number} --to {wanted.environment}", code="scoring.not-admitted",
        )  # fmt: skip
    plan = {"digest": made.digest, "change": change, **made.data.get("serving", {})}
    return release.Arm(made.number, "primary", plan)


def _labels(turn: changes.Turn, made: ReleaseRow, wanted: ScoringRequest) -> tuple[privacy.Label, ...]:
    """What the file is: as the caller says and as is known of these bytes; else what the model learned from."""
    known = privacy.labels_given(turn.session, f"{made.model}/", digest=wanted.digest)
    named = (*known, *([wanted.label] if wanted.label else []))
    return named or privacy.labels_of(evidence_for(turn, made).datasets)


def _require(
    turn: changes.Turn,
    caller: Principal,
    made: ReleaseRow,
    wanted: ScoringRequest,
    labels: tuple[privacy.Label, ...],
    *,
    named: bool,
) -> None:
    project, spec = release.owner_of(turn.session, made.model), turn.spec
    name = f"{made.model}@{made.number}" if named else f"{wanted.environment}/{made.model}"
    resource = Resource("release" if named else "endpoint", name, project=project, environment=wanted.environment)
    jurisdiction = spec.locations[wanted.location].jurisdiction
    context: dict[str, Any] = {
        "now": turn.now,
        "residency_allowed": all(
            each.origin == jurisdiction for each in labels if {each.classification, each.sector} & PINNED
        ),
    }
    if facts := _privacy(turn, made, wanted, labels, jurisdiction):
        context["privacy"] = facts
    require(turn.session, caller, Action.SCORE, resource, context)


def _privacy(
    turn: changes.Turn, made: ReleaseRow, wanted: ScoringRequest, labels: tuple[privacy.Label, ...], jurisdiction: str
) -> PrivacyFacts | None:
    subject = subject_of(made, (), evidence_for(turn, made).trained)
    environment = turn.environment(wanted.environment)
    place = privacy.Place(environment.name, environment.rank, frozenset({jurisdiction}))
    return privacy_facts(turn, replace(subject, labels=labels), place)


def _record(turn: changes.Turn, scoring: str, name: str, digest: str) -> None:
    done = lineage.Node("scoring", scoring)
    edges = [
        lineage.Edge(done, lineage.MADE_BY, lineage.Node("release", name)),
        lineage.Edge(done, READ, lineage.Node("artifact", digest)),
    ]
    lineage.record(turn.session, edges, turn.now)


def _sensitivity(classification: str) -> int:
    return privacy.CLASSIFICATIONS.index(classification)
