"""Every route of the API, called with what belongs to another project: 403 or 404, and no byte of it.

The table has a line for each route: a route without one fails, as a line without a route does. What a line calls is
there: who belongs to the project, or reads all of them, is answered by the same call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from falaj.api.route_actions import walk
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage.policy_tables import RoleBindingRow
from falaj.storage.tables import Base
from tests.api.people import acting_as
from tests.apps import app_of
from tests.control.releases.scene import MODEL
from tests.databases import migrated_sqlite
from tests.security.two_projects import (
    CALLER,
    MINE,
    PREDICTION,
    RUN,
    SECRET,
    TABLE,
    THEIRS,
    TRAINING,
    TwoProjects,
    two_projects,
)

pytestmark = pytest.mark.integration

NOTHING = f"sha256:{'0' * 64}"
OBJECT = f"blobs/00/{'0' * 62}"


@dataclass(frozen=True)
class Line:
    """How a route is called with what belongs to `flights`.

    Args:
        calls: Address below `/api/v1`, and the body of each.
        refused: Whether nothing but 403 and 404 may be answered; a list may answer without what is not the reader's.
        read_by: Who is answered the same calls: `noor`, who reads every project, `bea` of flights, or nobody.
        answers: With what.
        says: A part of that answer, where it is a refusal that needs the thing itself.
    """

    calls: tuple[tuple[str, Any], ...]
    refused: bool = True
    read_by: str = ""
    answers: frozenset[int] = frozenset({200, 201, 204})
    says: str = ""


def reads(*addresses: str) -> Line:
    """A route that reads one thing."""
    return Line(tuple((address, None) for address in addresses), read_by="noor")


def lists(*addresses: str) -> Line:
    """A route that lists what its reader may read."""
    return replace(reads(*addresses), refused=False)


def writes(address: str, body: Any = None, *, bea: int = 200, says: str = "") -> Line:
    """A route that does something, and what a member of the project is answered."""
    return Line(((address, body),), read_by="bea", answers=frozenset({bea}), says=says)


def whole(*addresses: str, body: Any = None) -> Line:
    """A route about the whole installation, or about somebody else: no role in a project reaches it."""
    return Line(tuple((address, body) for address in addresses))


WHY = {"reason": "x"}
OPEN = Line(())
"""A route that answers everybody, or its caller about itself alone; what it takes is in no project."""


def table(ids: Mapping[str, str]) -> dict[str, Line]:
    """A line for each route."""
    release, change, digest = ids["release"], ids["change"], ids["digest"]
    exam = {"environment": "dev", "model": MODEL}
    export = {"endpoint": f"dev/{MODEL}", "location": "local", "since": 0, "until": 1e10}
    scoring = {"release": MODEL, "environment": "dev", "location": "local", "input": NOTHING, "filename": "x"}
    scored = {"scoring": ids["scoring"], "output": NOTHING, "rows": 3}
    record = {"kind": "dpia", "document": NOTHING, "expires_at": 9e9, "model": MODEL}
    of_model = [f"/models/{MODEL}/{what}?environment=dev" for what in ("drift", "performance", "recalibrations")]
    nodes = [
        f"run:{RUN}",
        f"release:{release}",
        f"step:{RUN}/fit",
        f"artifact:{TABLE}",
        f"source:{MODEL}/flights",
        f"alert:{ids['alert']}",
        f"training:{TRAINING}",
        f"scoring:{ids['scoring']}",
        f"commit:{'c' * 40}",
    ]
    walks = [f"/lineage?node={node}&direction={way}" for node in nodes for way in ("up", "down")]
    subjects = [f"run/{RUN}", f"project/{THEIRS}", f"release/{release}", f"change/{change}", f"endpoint/dev/{MODEL}",
                f"alert/{ids['alert']}", f"gate/{ids['gate']}", f"training/{TRAINING}", f"model/{MODEL}"]  # fmt: skip
    order = f"/step-orders/{'0' * 64}"
    project = {"name": THEIRS, "repository": "https://git.example.org/x"}
    return {
        "GET /api/v1/runs": lists("/runs", f"/runs?project={THEIRS}", "/runs?filter=state = succeeded"),
        "POST /api/v1/runs": writes("/runs", {"project": THEIRS, "commit": "3" * 40}, bea=201),
        "GET /api/v1/runs/{run_id}": reads(f"/runs/{RUN}", f"/runs/{RUN}?project={MINE}"),
        "POST /api/v1/runs/{run_id}/cancel": writes(f"/runs/{RUN}/cancel"),
        "GET /api/v1/runs/{run_id}/logs/{node:path}": reads(f"/runs/{RUN}/logs/fit"),
        "GET /api/v1/runs/{run_id}/openlineage": reads(f"/runs/{RUN}/openlineage"),
        "GET /api/v1/projects": lists("/projects"),
        "POST /api/v1/projects": writes("/projects", project, bea=409),
        "POST /api/v1/projects/{project}/events": whole(f"/projects/{THEIRS}/events", body={"source": "flights"}),
        "GET /api/v1/projects/{project}/secrets": reads(f"/projects/{THEIRS}/secrets"),
        "PUT /api/v1/projects/{project}/secrets/{name}": writes(
            f"/projects/{THEIRS}/secrets/X", {"value": "long enough"}
        ),
        "DELETE /api/v1/projects/{project}/secrets/{name}": writes(f"/projects/{THEIRS}/secrets/{SECRET}", bea=204),
        "POST /api/v1/triggers/push": writes(
            "/triggers/push", {"project": THEIRS, "ref": "refs/heads/main", "after": "4" * 40}
        ),
        "POST /api/v1/webhooks/{vendor}/{project}": whole(
            f"/webhooks/github/{THEIRS}", body={"ref": "refs/heads/main"}
        ),
        "GET /api/v1/releases": lists("/releases", f"/releases?model={MODEL}"),
        "GET /api/v1/releases/{name}": reads(f"/releases/{release}", f"/releases/{MODEL}", f"/releases/{MODEL}@latest"),
        "GET /api/v1/releases/{name}/evidence": reads(f"/releases/{release}/evidence"),
        "GET /api/v1/releases/{name}/bundle": reads(f"/releases/{release}/bundle"),
        "GET /api/v1/releases/{name}/placement": reads(f"/releases/{release}/placement"),
        "PUT /api/v1/models/{model}/owner": whole(f"/models/{MODEL}/owner", body={"project": MINE, "reason": "x"}),
        "GET /api/v1/endpoints": lists("/endpoints"),
        "GET /api/v1/endpoints/{environment}/{model}/callers": reads(f"/endpoints/dev/{MODEL}/callers"),
        "POST /api/v1/endpoints/{environment}/{model}/callers": writes(
            f"/endpoints/dev/{MODEL}/callers", {"name": "y"}
        ),
        "DELETE /api/v1/endpoints/{environment}/{model}/callers/{name}": writes(
            f"/endpoints/dev/{MODEL}/callers/{CALLER}"
        ),
        "GET /api/v1/changes": lists("/changes", "/changes?open=true", "/changes?environment=dev"),
        "POST /api/v1/changes": writes("/changes", {"release": release, "environment": "dev", "reason": "x"}, bea=409),
        "GET /api/v1/changes/{change_id}": reads(f"/changes/{change}"),
        "GET /api/v1/changes/{change_id}/approval": reads(f"/changes/{change}/approval"),
        "POST /api/v1/changes/{change_id}/approve": writes(f"/changes/{change}/approve", {"envelope": {}}, bea=422),
        "POST /api/v1/changes/{change_id}/reject": writes(
            f"/changes/{change}/reject", WHY, bea=403, says="denied by change-state"
        ),
        "POST /api/v1/changes/{change_id}/review": writes(
            f"/changes/{change}/review", WHY, bea=403, says="change-not-due"
        ),
        "POST /api/v1/changes/{change_id}/cancel": writes(f"/changes/{change}/cancel", WHY),
        "POST /api/v1/rollbacks": writes("/rollbacks", {**exam, **WHY}, bea=201),
        "POST /api/v1/releases/{name}/archive": writes(f"/releases/{release}/archive", WHY, bea=409),
        "POST /api/v1/releases/{name}/restore": writes(f"/releases/{release}/restore", WHY, bea=409),
        "POST /api/v1/releases/{name}/retire": writes(f"/releases/{release}/retire", WHY, bea=409),
        "GET /api/v1/rollouts": lists("/rollouts", f"/rollouts?endpoint=dev/{MODEL}"),
        "GET /api/v1/rollouts/{rollout_id:path}": reads(f"/rollouts/{ids['rollout']}", f"/rollouts/dev/{MODEL}"),
        **{
            f"POST /api/v1/rollouts/{{rollout_id}}/{verb}": writes(f"/rollouts/{ids['rollout']}/{verb}", WHY, bea=409)
            for verb in ("pause", "resume", "abort", "promote", "skip")
        },
        "GET /api/v1/gates": lists("/gates", f"/gates?model={MODEL}"),
        "POST /api/v1/gates/{gate_id}/decision": writes(f"/gates/{ids['gate']}/decision", {"decision": "accept"}),
        "GET /api/v1/lineage": lists(*walks),
        "GET /api/v1/why/{environment}/{model}": reads(f"/why/dev/{MODEL}"),
        "GET /api/v1/predictions/{prediction_id}": reads(f"/predictions/{PREDICTION}"),
        "POST /api/v1/predictions/exports": writes("/predictions/exports", export),
        "POST /api/v1/scorings": writes("/scorings", scoring),
        "POST /api/v1/scorings/results": writes("/scorings/results", scored),
        "GET /api/v1/monitors": lists("/monitors", f"/monitors?model={MODEL}", "/monitors?environment=dev"),
        "GET /api/v1/models/{model}/drift": reads(of_model[0]),
        "GET /api/v1/models/{model}/performance": reads(of_model[1]),
        "GET /api/v1/models/{model}/recalibrations": reads(of_model[2]),
        "GET /api/v1/alerts": lists("/alerts", f"/alerts?model={MODEL}", "/alerts?open=true&environment=dev"),
        "GET /api/v1/alerts/{alert_id}": reads(f"/alerts/{ids['alert']}"),
        "POST /api/v1/alerts/{alert_id}/acknowledge": writes(f"/alerts/{ids['alert']}/acknowledge", WHY),
        "POST /api/v1/alerts/{alert_id}/mute": writes(f"/alerts/{ids['alert']}/mute", WHY),
        "POST /api/v1/alerts/{alert_id}/overrule": writes(
            f"/alerts/{ids['alert']}/overrule", {**WHY, "verdict": "unknown"}, bea=409
        ),
        "POST /api/v1/alerts/{alert_id}/resolve": writes(f"/alerts/{ids['alert']}/resolve", WHY),
        "GET /api/v1/triggers": lists("/triggers", f"/triggers?model={MODEL}"),
        "POST /api/v1/models/{model}/trainings": writes(f"/models/{MODEL}/trainings", WHY, bea=201),
        "POST /api/v1/models/{model}/trainings/resume": writes(f"/models/{MODEL}/trainings/resume"),
        "POST /api/v1/releases/{name}/revoke": writes(f"/releases/{release}/revoke", WHY),
        "GET /api/v1/events": lists("/events", *(f"/events?subject={subject}" for subject in subjects)),
        "GET /api/v1/events/last": whole("/events/last", f"/events/last?project={MINE}"),
        # Agents: of another location, with what belongs to this one.
        "GET /api/v1/artifacts/{digest}/manifest": whole(f"/artifacts/{digest}/manifest"),
        "GET /api/v1/artifacts/{digest}/files/{path:path}": whole(f"/artifacts/{digest}/files/MLmodel"),
        "GET /api/v1/locations/{location}/desired": whole("/locations/local/desired"),
        "PUT /api/v1/locations/{location}/status": whole(
            "/locations/local/status", body={"version": 1, "endpoints": []}
        ),
        "PUT /api/v1/locations/{location}/profiles": whole("/locations/local/profiles", body={"blocks": []}),
        "GET /api/v1/locations/{location}/log/consistency": whole("/locations/local/log/consistency?first=1&second=2"),
        "POST /api/v1/locations/{location}/certificate": whole("/locations/local/certificate", body={"request": "x"}),
        "POST /api/v1/locations/{location}/door-certificate": whole(
            "/locations/local/door-certificate", body={"request": "x"}
        ),
        # Machines of executors: orders of steps, by their keys.
        "POST /api/v1/step-orders/claim": whole("/step-orders/claim", body={"cpu": 1, "memory_bytes": 1}),
        "POST /api/v1/step-orders/{key}/renew": whole(f"{order}/renew"),
        "POST /api/v1/step-orders/{key}/output": whole(f"{order}/output", body={"text": "x"}),
        "POST /api/v1/step-orders/{key}/receipt": whole(f"{order}/receipt", body={}),
        "GET /api/v1/step-orders/{key}/artifacts/{digest}": whole(f"{order}/artifacts/{digest}"),
        "GET /api/v1/step-orders/{key}/artifacts/{digest}/objects/{name:path}": whole(
            f"{order}/artifacts/{digest}/objects/{OBJECT}"
        ),
        "PUT /api/v1/step-orders/{key}/objects/{name:path}": whole(f"{order}/objects/{OBJECT}"),
        "POST /api/v1/executors/machines/certificate": whole("/executors/machines/certificate", body={"request": "x"}),
        # The installation: its people, keys, settings, log and privacy.
        "GET /api/v1/accounts": whole("/accounts", f"/accounts?project={MINE}"),
        "POST /api/v1/accounts": whole("/accounts", body={"name": "z", "email": "z@example.org"}),
        "POST /api/v1/accounts/{name}/link": whole("/accounts/bea/link", body={}),
        "POST /api/v1/accounts/{name}/lock": whole("/accounts/bea/lock", body=WHY),
        "POST /api/v1/accounts/{name}/unlock": whole("/accounts/bea/unlock"),
        "PUT /api/v1/accounts/{name}/roles": whole("/accounts/yara/roles", body=[{"role": "admin"}]),
        "GET /api/v1/services/tokens": whole("/services/tokens"),
        "POST /api/v1/services/{name}/tokens": whole(
            "/services/ci/tokens", body={"label": "x", "actions": ["read"], "days": 1}
        ),
        "DELETE /api/v1/services/tokens/{token_id}": whole(f"/services/tokens/{ids['token']}"),
        "GET /api/v1/audit/entries": whole("/audit/entries", f"/audit/entries?subject=run/{RUN}&project={MINE}"),
        "GET /api/v1/audit/entries/{index}": whole("/audit/entries/1"),
        "POST /api/v1/audit/checkpoint": whole("/audit/checkpoint"),
        "GET /api/v1/audit/export": whole("/audit/export"),
        "GET /api/v1/audit/consistency": whole("/audit/consistency?first=1&second=2"),
        "POST /api/v1/audit/erase": whole("/audit/erase", body={"reason": "x", "person": "user:bea"}),
        "POST /api/v1/artifacts/collect": whole("/artifacts/collect?grace_s=0"),
        "GET /api/v1/compliance/{pack}": whole("/compliance/uae"),
        "GET /api/v1/keys": whole("/keys"),
        "POST /api/v1/keys/rotate": whole("/keys/rotate", body={}),
        "POST /api/v1/keys/{key_id}/destroy": whole(f"/keys/{'0' * 32}/destroy", body=WHY),
        "GET /api/v1/executors": whole("/executors"),
        "POST /api/v1/executors/{executor}/machines": whole("/executors/gpu/machines", body={}),
        "DELETE /api/v1/executors/machines/{machine}": whole("/executors/machines/gpu.0a"),
        "GET /api/v1/locations": whole("/locations"),
        "POST /api/v1/locations/{location}/enrolment": whole("/locations/local/enrolment", body={}),
        "DELETE /api/v1/locations/{location}/enrolment": whole("/locations/local/enrolment"),
        "GET /api/v1/notifications": whole("/notifications"),
        "POST /api/v1/notifications/{subscriber}/resend": whole("/notifications/0123456789ab/resend", body={}),
        "GET /api/v1/platform": whole("/platform", f"/platform?project={MINE}"),
        "POST /api/v1/platform/apply": whole("/platform/apply", body={"text": ""}),
        "POST /api/v1/platform/plan": whole("/platform/plan", body={"text": ""}),
        "GET /api/v1/platform/drift": whole("/platform/drift"),
        "GET /api/v1/platform/versions": whole("/platform/versions"),
        "GET /api/v1/platform/secrets": whole("/platform/secrets"),
        "PUT /api/v1/platform/secrets/{name}": whole("/platform/secrets/X", body={"value": "long enough"}),
        "DELETE /api/v1/platform/secrets/{name}": whole("/platform/secrets/X"),
        "GET /api/v1/privacy/incidents": whole("/privacy/incidents"),
        "POST /api/v1/privacy/incidents": whole("/privacy/incidents", body={"title": "x"}),
        "POST /api/v1/privacy/incidents/{incident_id}/close": whole("/privacy/incidents/x/close", body=WHY),
        "POST /api/v1/privacy/incidents/{incident_id}/notify": whole("/privacy/incidents/x/notify", body={"whom": "x"}),
        "POST /api/v1/privacy/index": whole("/privacy/index"),
        "GET /api/v1/privacy/labels": whole(
            f"/privacy/labels?node=release:{release}", f"/privacy/labels?node=run:{RUN}"
        ),
        "GET /api/v1/privacy/processing": whole("/privacy/processing"),
        "GET /api/v1/privacy/records": whole("/privacy/records"),
        "POST /api/v1/privacy/records": whole("/privacy/records", body=record),
        "POST /api/v1/privacy/records/{record_id}/withdraw": whole("/privacy/records/x/withdraw", body=WHY),
        "GET /api/v1/privacy/requests": whole("/privacy/requests"),
        "POST /api/v1/privacy/requests": whole("/privacy/requests", body={"kind": "access"}),
        "POST /api/v1/privacy/requests/{request_id}/close": whole("/privacy/requests/x/close", body=WHY),
        "POST /api/v1/privacy/subjects/erase": whole("/privacy/subjects/erase", body={"subject": "x", **WHY}),
        "POST /api/v1/privacy/subjects/export": whole("/privacy/subjects/export", body={"subject": "x"}),
        "POST /api/v1/privacy/subjects/find": whole("/privacy/subjects/find", body={"subject": "x"}),
        "GET /metrics": whole("../../metrics"),
        # One's own: what belongs to another person.
        "DELETE /api/v1/auth/sessions/{session_id}": whole("/auth/sessions/0123456789"),
        "GET /api/v1/auth/sessions": lists("/auth/sessions"),
        "DELETE /api/v1/auth/tokens/{token_id}": whole(f"/auth/tokens/{ids['token']}"),
        "DELETE /api/v1/auth/approval-keys/{key_id}": whole(f"/auth/approval-keys/{ids['key']}"),
        "DELETE /api/v1/auth/security-keys/{key}": whole("/auth/security-keys/0123456789abcdef"),
        "GET /api/v1/auth/tokens": lists("/auth/tokens", "/auth/tokens?account=user:bea"),
        "GET /api/v1/auth/approval-keys": lists("/auth/approval-keys", "/auth/approval-keys?account=user:bea"),
        "GET /api/v1/auth/security-keys": lists("/auth/security-keys"),
        "GET /api/v1/auth/whoami": lists("/auth/whoami", f"/auth/whoami?project={THEIRS}"),
        "GET /api/v1/policy/rules": lists("/policy/rules"),
        "POST /api/v1/policy/ask": Line((("/policy/ask", {"action": "read", "project": THEIRS}),), refused=False),
        "POST /api/v1/policy/questions": Line(
            (("/policy/questions", {"questions": [{"action": "read", "project": THEIRS}]}),), refused=False
        ),
        **dict.fromkeys(
            (
                "POST /api/v1/auth/tokens", "POST /api/v1/auth/approval-keys", "POST /api/v1/auth/login",
                "POST /api/v1/auth/logout", "GET /api/v1/auth/oidc", "GET /api/v1/auth/oidc/callback",
                "POST /api/v1/auth/oidc/redeem", "GET /api/v1/auth/oidc/start", "POST /api/v1/auth/password",
                "POST /api/v1/auth/security-keys", "POST /api/v1/auth/security-keys/begin",
                "GET /api/v1/auth/security-keys/page", "POST /api/v1/auth/setup", "POST /api/v1/auth/step-up",
                "POST /api/v1/auth/step-up/security-key", "POST /api/v1/auth/step-up/security-key/begin",
                "DELETE /api/v1/auth/totp", "POST /api/v1/auth/totp", "POST /api/v1/auth/totp/confirm",
                "GET /api/v1/health", "GET /api/v1/installation", "GET /api/v1/workloads/authority",
                "POST /api/v1/workloads/enrol", "POST /api/v1/workloads/return", "GET /security-key",
            ),
            OPEN,
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoProjects]:
    folder = tmp_path_factory.mktemp("two-projects")
    database = migrated_sqlite(folder / "falaj.db")
    with database.transaction() as session:
        session.add(
            RoleBindingRow(
                tenant="default", principal="service:ci", role="service", project=MINE, granted_by="t", granted_at=0.0
            )
        )  # fmt: skip
    both = two_projects(folder, database)
    both.scene.platform.stopping.set()  # a stream of events ends with what there is
    yield both
    database.close()


def strangers(installation: TwoProjects) -> dict[str, TestClient]:
    """Who has rights in `others` alone, and an agent of another location."""
    scene = installation.scene
    proved = {"authenticated_at": scene.now, "step_up_at": scene.now, "step_up_method": "login"}
    people = [Principal(f"user:{name}", PrincipalKind.USER, **proved) for name in ("yara", "adam")]
    service = Principal("service:ci", PrincipalKind.SERVICE)
    agent = Principal("workload:agent/elsewhere", PrincipalKind.WORKLOAD, location="elsewhere")
    return {who.id: acting_as(app_of(scene.platform), who) for who in (*people, service, agent)}


def ask(client: TestClient, route: str, address: str, body: Any) -> Any:
    method = route.partition(" ")[0]
    return client.request(method, f"/api/v1{address}".replace("/api/v1../..", ""), json=body)


def leaked(installation: TwoProjects, answer: str, address: str, body: Any) -> list[str]:
    """The texts of `flights` that an answer holds and its question did not."""
    question = address + json.dumps(body)
    return [marker for marker in installation.markers if marker in answer and marker not in question]


def rows(installation: TwoProjects) -> dict[str, list[Any]]:
    """Every row outside the audit log, which refusals are written to."""
    tables = [each.name for each in Base.metadata.sorted_tables if not each.name.startswith("audit_")]
    with installation.scene.platform.database.engine.connect() as connection:
        return {each: sorted(map(repr, connection.execute(text(f"SELECT * FROM {each}")))) for each in tables}


def test_the_table_has_a_line_for_each_route_and_no_other(installation: TwoProjects) -> None:
    app = app_of(installation.scene.platform)
    routes = {f"{method} {path}" for path, route in walk(app) for method in route.methods}
    assert routes == set(table(installation.ids))


def test_nobody_without_a_role_in_the_project_reads_or_changes_it(installation: TwoProjects) -> None:
    before, failures = rows(installation), []
    for who, client in strangers(installation).items():
        for route, line in table(installation.ids).items():
            for address, body in line.calls:
                answer = ask(client, route, address, body)
                texts = leaked(installation, answer.text + str(answer.headers), address, body)
                allowed = {403, 404} if line.refused else {200, 403, 404}
                if texts or answer.status_code not in allowed:
                    failures.append((who, route, address, answer.status_code, texts, answer.text[:300]))
    assert not failures, "\n".join(map(str, failures))
    assert rows(installation) == before


def test_a_refusal_is_the_same_for_what_does_not_exist(installation: TwoProjects) -> None:
    failures = []
    for who, client in strangers(installation).items():
        for route, line in table(installation.ids).items():
            for address, body in line.calls if line.refused and line.read_by else ():
                answer = ask(client, route, address, body)
                nowhere = ask(
                    client, route, unknown(installation, address), json.loads(unknown(installation, json.dumps(body)))
                )
                if (answer.status_code, unknown(installation, answer.text)) != (nowhere.status_code, nowhere.text):
                    failures.append((who, route, address, answer.text[:200], nowhere.text[:200]))
    assert not failures, "\n".join(map(str, failures))


def unknown(installation: TwoProjects, question: str) -> str:
    """The same question about what nobody has."""
    for name in sorted(installation.ids.values(), key=len, reverse=True):
        question = question.replace(name, name[:-2] + {"0": "1"}.get(name[-2], "0") + name[-1])
    return question


def test_what_the_table_calls_is_there(installation: TwoProjects) -> None:
    scene, failures = installation.scene, []
    proved = {"authenticated_at": scene.now, "step_up_at": scene.now, "step_up_method": "login"}
    clients = {
        name: acting_as(app_of(scene.platform), Principal(f"user:{name}", PrincipalKind.USER, **proved))
        for name in ("noor", "bea")
    }
    for route, line in table(installation.ids).items():
        for address, body in line.calls if line.read_by else ():
            answer = ask(clients[line.read_by], route, address, body)
            if answer.status_code not in line.answers or line.says not in answer.text:
                failures.append((route, address, answer.status_code, answer.text[:300]))
    assert not failures, "\n".join(map(str, failures))
