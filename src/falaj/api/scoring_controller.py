"""May a file be scored: by which release, where, and as what kind of data; and what is written of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from falaj.control import changes, compliance, releases
from falaj.control.changes.assessment import evidence_for
from falaj.control.changes.endpoint_plan import endpoint_plan
from falaj.control.changes.privacy import privacy_facts, subject_of
from falaj.control.releases.registry import state_of
from falaj.control.releases.states import WITHDRAWN
from falaj.core.errors import ConflictError, NotFoundError
from falaj.core.principal import Principal
from falaj.schemas.scoring import ScoringPermit, ScoringRecord
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.supply_chain.attestations.admission import PINNED
from falaj.trust import audit, lineage
from falaj.trust.audit import record
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
    label: compliance.DataClassification | None = None


def permit(turn: changes.ChangeContext, caller: Principal, request: ScoringRequest) -> ScoringPermit:
    """Decide whether a file may be scored, and write that it was permitted.

    Raises:
        NotFoundError: There is no such model, environment, location or release.
        ConflictError: No release is admitted there, or not the named one.
        ForbiddenError: Policy does not permit it to the caller, or not with this data.
    """
    model, _, number = request.release.partition("@")
    row = _endpoint(turn, model, request)
    arm = _named_arm(turn, row, request) if number else _serving_arm(row)
    release_row = turn.session.get_one(ReleaseRow, (model, arm.release))
    if (state := state_of(turn.session, release_row)) in WITHDRAWN:
        raise ConflictError(f"{model}@{release_row.number} is {state}", hint="falaj release list lists others")
    labels = _labels(turn, release_row, request)
    _require(turn, caller, release_row, request, labels, named=bool(number))
    scoring = scoring_id(model, release_row.number, request)
    name, now = f"{model}@{release_row.number}", turn.now
    classification = max((each.classification for each in labels), key=_sensitivity, default="public")
    if request.label is not None:
        input_snapshot = compliance.SourceReading(
            request.digest, f"{model}/{request.label.name}", request.filename, request.label
        )
        compliance.keep_label(turn.session, input_snapshot, now)
    _record(turn, scoring, name, request.digest)
    details = {
        "release": name, "environment": request.environment, "location": request.location, "input": request.digest,
        "classification": classification,
    }  # fmt: skip
    record.write(turn.session, "scoring.permitted", caller.id, f"endpoint/{row.environment}/{model}", now, details)
    plan = endpoint_plan(turn, row, arm, audit.newest_checkpoint(turn.session))
    residency = turn.spec.locations[request.location].jurisdiction
    endpoint = f"{row.environment}/{model}"
    return ScoringPermit(scoring, name, endpoint, request.location, residency, classification, plan, caller.id)


def complete(turn: changes.ChangeContext, caller: Principal, scoring: str, output: str, rows: int) -> ScoringRecord:
    """Write what came of a scoring that was permitted; saying it again changes nothing but the audit log.

    Raises:
        NotFoundError: Nobody was permitted to do it.
        ForbiddenError: The caller may not score by the model.
    """
    scoring_node = lineage.Node("scoring", scoring)
    edges = {
        edge.relation: edge.origin.name
        for edge in lineage.upstream(turn.session, scoring_node)
        if edge.derived == scoring_node
    }
    if lineage.MADE_BY not in edges:
        raise NotFoundError(f"no scoring '{scoring}'", hint="falaj score asks for one", code="scoring.unknown")
    name = edges[lineage.MADE_BY]
    model = name.partition("@")[0]
    resource = Resource("release", name, project=releases.owner_of(turn.session, model))
    require(turn.session, caller, Action.SCORE, resource, {"now": turn.now})
    lineage.record(
        turn.session, [lineage.Edge(lineage.Node("artifact", output), lineage.MADE_BY, scoring_node)], turn.now
    )
    details = {"release": name, "input": edges[READ], "output": output, "rows": rows}
    record.write(turn.session, "file.scored", caller.id, f"release/{name}", turn.now, details)
    return ScoringRecord(scoring, name, edges[READ], output, rows)


def scoring_id(model: str, number: int, request: ScoringRequest) -> str:
    """The id of a scoring; doing it again is the same one."""
    text = f"{request.digest}\n{model}@{number}\n{request.environment}\n{request.location}"
    return f"{model}/{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _endpoint(turn: changes.ChangeContext, model: str, request: ScoringRequest) -> EndpointRow:
    releases.require_owner(turn.session, model)
    turn.environment(request.environment)
    row = turn.session.get(EndpointRow, (request.location, request.environment, model))
    if row is None or row.plan.get("withdrawn") or request.location not in turn.spec.locations:
        raise NotFoundError(
            f"no endpoint {request.environment}/{model} at location '{request.location}'",
            hint="falaj endpoint list lists those that there are", code="scoring.endpoint",
        )  # fmt: skip
    return row


def _serving_arm(row: EndpointRow) -> releases.EndpointArm:
    """What the endpoint serves: while a candidate rolls out, the release that it is judged against."""
    arms = {arm.role: arm for arm in releases.arms_of(row)}
    if stable := arms.get("stable"):
        return stable
    if row.status.get("state") != "ready" or row.status.get("release") != row.release:
        raise ConflictError(
            f"{row.environment}/{row.model} does not serve release {row.release} yet",
            hint="falaj endpoint list shows how far it is", code="scoring.not-serving",
        )  # fmt: skip
    return arms["primary"]


def _named_arm(turn: changes.ChangeContext, row: EndpointRow, request: ScoringRequest) -> releases.EndpointArm:
    """A release that was brought into the environment at some time; its admission is verified where it is scored."""
    release_row = releases.find(turn.session, request.release)
    running = next((arm for arm in releases.arms_of(row) if arm.release == release_row.number), None)
    if running is not None:
        return running
    query = select(ChangeRow.id).where(
        ChangeRow.model == release_row.model, ChangeRow.release == release_row.number,
        ChangeRow.environment == request.environment,
        ChangeRow.state.in_(changes.PASSED),
    )  # fmt: skip
    change = turn.session.scalar(query.order_by(ChangeRow.created_at.desc()).limit(1))
    if change is None:
        raise ConflictError(
            f"{release_row.model}@{release_row.number} was never admitted in {request.environment}",
            hint=f"falaj promote {release_row.model}@{release_row.number} --to {request.environment}",
            code="scoring.not-admitted",
        )  # fmt: skip
    plan = {"digest": release_row.digest, "change": change, **release_row.data.get("serving", {})}
    return releases.EndpointArm(release_row.number, "primary", plan)


def _labels(
    turn: changes.ChangeContext, release_row: ReleaseRow, request: ScoringRequest
) -> tuple[compliance.DataClassification, ...]:
    """What the file is: as the caller says and as is known of these bytes; else what the model learned from."""
    stored_labels = compliance.labels_given(turn.session, f"{release_row.model}/", digest=request.digest)
    named = (*stored_labels, *([request.label] if request.label else []))
    return named or compliance.labels_of(evidence_for(turn, release_row).datasets)


def _require(
    turn: changes.ChangeContext,
    caller: Principal,
    release_row: ReleaseRow,
    request: ScoringRequest,
    labels: tuple[compliance.DataClassification, ...],
    *,
    named: bool,
) -> None:
    project, spec = releases.owner_of(turn.session, release_row.model), turn.spec
    name = f"{release_row.model}@{release_row.number}" if named else f"{request.environment}/{release_row.model}"
    resource = Resource("release" if named else "endpoint", name, project=project, environment=request.environment)
    jurisdiction = spec.locations[request.location].jurisdiction
    context: dict[str, Any] = {
        "now": turn.now,
        "residency_allowed": all(
            each.origin == jurisdiction for each in labels if {each.classification, each.sector} & PINNED
        ),
    }
    if facts := _privacy(turn, release_row, request, labels, jurisdiction):
        context["privacy"] = facts
    require(turn.session, caller, Action.SCORE, resource, context)


def _privacy(
    turn: changes.ChangeContext,
    release_row: ReleaseRow,
    request: ScoringRequest,
    labels: tuple[compliance.DataClassification, ...],
    jurisdiction: str,
) -> PrivacyFacts | None:
    evidence = evidence_for(turn, release_row)
    subject = subject_of(release_row.model, evidence.risk, (), evidence.trained)
    environment = turn.environment(request.environment)
    place = compliance.DeploymentEnvironment(environment.name, environment.rank, frozenset({jurisdiction}))
    return privacy_facts(turn, replace(subject, labels=labels), place)


def _record(turn: changes.ChangeContext, scoring: str, name: str, digest: str) -> None:
    scoring_node = lineage.Node("scoring", scoring)
    edges = [
        lineage.Edge(scoring_node, lineage.MADE_BY, lineage.Node("release", name)),
        lineage.Edge(scoring_node, READ, lineage.Node("artifact", digest)),
    ]
    lineage.record(turn.session, edges, turn.now)


def _sensitivity(classification: str) -> int:
    return compliance.CLASSIFICATIONS.index(classification)
