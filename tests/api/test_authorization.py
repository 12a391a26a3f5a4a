from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.config.platform_spec import BindingSpec, PlatformSpec
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import EndpointRow, ReleaseRow
from falaj.trust import configuration
from tests.api.people import acting_as, grant, person
from tests.owners import own

pytestmark = pytest.mark.integration

COMMIT = "2" * 40


@pytest.fixture
def two_projects(client: TestClient, platform: Platform) -> dict[str, str]:
    """Ids of a run of each of two projects, each with a release and an endpoint."""
    runs = {}
    for name in ("flights", "loans"):
        client.post("/api/v1/projects", json={"name": name, "repository": f"/{name}"})
        runs[name] = client.post("/api/v1/runs", json={"project": name, "commit": COMMIT}).json()["id"]
        with platform.database.transaction() as session:
            own(session, f"{name}-model", name)
            session.add(
                ReleaseRow(
                    model=f"{name}-model", number=1, project=name, run_id=runs[name], commit=COMMIT, digest="sha256:aa",
                    state="candidate", data={}, created_at=1.0,
                )
            )  # fmt: skip
            session.add(
                EndpointRow(
                    location="local", environment="dev", model=f"{name}-model", release=1, version=1, plan={},
                    status={}, updated_at=1.0,
                )
            )  # fmt: skip
    return runs


@pytest.fixture
def of_flights(client: TestClient, platform: Platform) -> TestClient:
    """A data scientist of one project."""
    grant(platform.database, "lina", "data-scientist", project="flights")
    return acting_as(client.app, "lina")


def test_lists_hold_only_the_projects_that_the_caller_may_read(
    of_flights: TestClient, two_projects: dict[str, str], client: TestClient
) -> None:
    assert [each["name"] for each in of_flights.get("/api/v1/projects").json()] == ["flights"]
    assert [each["project"] for each in of_flights.get("/api/v1/runs").json()] == ["flights"]
    assert [each["project"] for each in of_flights.get("/api/v1/releases").json()] == ["flights"]
    assert [each["endpoint"] for each in of_flights.get("/api/v1/endpoints").json()] == ["dev/flights-model"]
    assert len(client.get("/api/v1/projects").json()) == 2


def test_what_is_named_is_judged_by_its_project(of_flights: TestClient, two_projects: dict[str, str]) -> None:
    mine, theirs = two_projects["flights"], two_projects["loans"]
    for path in ("/api/v1/runs/{}", "/api/v1/runs/{}/logs/fit"):
        assert of_flights.get(path.format(mine)).status_code in (200, 404)
        assert of_flights.get(path.format(theirs)).status_code == 403
    assert of_flights.get("/api/v1/releases/flights-model@1").status_code == 200
    assert of_flights.get("/api/v1/releases/loans-model@1").status_code == 403
    assert of_flights.post(f"/api/v1/runs/{theirs}/cancel").status_code == 403
    assert of_flights.get("/api/v1/runs", params={"project": "loans"}).json() == []
    assert of_flights.get("/api/v1/events", params={"subject": f"run/{theirs}"}).status_code == 403


def test_a_body_is_judged_by_the_project_that_it_names(of_flights: TestClient, two_projects: dict[str, str]) -> None:
    assert of_flights.post("/api/v1/runs", json={"project": "flights", "commit": COMMIT}).status_code == 201
    assert of_flights.post("/api/v1/runs", json={"project": "loans", "commit": COMMIT}).status_code == 403
    push = {"project": "loans", "ref": "refs/heads/main", "after": COMMIT}
    assert of_flights.post("/api/v1/triggers/push", json=push).status_code == 403
    assert of_flights.post("/api/v1/projects", json={"name": "loans", "repository": "/x"}).status_code == 403


def test_a_query_that_the_route_does_not_read_does_not_choose_the_scope(of_flights: TestClient) -> None:
    assert of_flights.get("/api/v1/platform").status_code == 403
    assert of_flights.get("/api/v1/platform", params={"project": "flights"}).status_code == 403
    assert of_flights.get("/api/v1/events/last", params={"project": "flights"}).status_code == 403


def test_a_refusal_does_not_say_what_exists(of_flights: TestClient, two_projects: dict[str, str]) -> None:
    there = of_flights.get(f"/api/v1/runs/{two_projects['loans']}").json()
    nowhere = of_flights.get("/api/v1/runs/0000000000zz").json()
    assert there["code"] == nowhere["code"] == "auth.forbidden"
    assert there["title"].replace(two_projects["loans"], "0000000000zz") == nowhere["title"]


def test_a_refusal_names_the_policy_or_the_roles(client: TestClient, platform: Platform) -> None:
    grant(platform.database, "noor", "auditor")
    answer = acting_as(client.app, "noor").post("/api/v1/runs", json={"project": "p", "commit": COMMIT})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == (
        "user:noor may not run: nothing permits 'run' on tenant/default: "
        "the roles held here (auditor) do not include it"
    )
    hint = answer.json()["hint"]
    assert "ml-engineer" in hint.partition(" may: ")[0] and "auditor" not in hint
    locked = acting_as(client.app, person("noor", active=False)).get("/api/v1/runs").json()
    assert "denied by inactive-principal: the account is locked or has left" in locked["title"]


def test_groups_get_the_roles_that_the_platform_file_gives_them(client: TestClient, platform: Platform) -> None:
    spec = PlatformSpec(**{**vars(PlatformSpec.default()), "roles": (BindingSpec("auditor", group="audit"),)})
    with platform.database.transaction() as session:
        configuration.apply(session, spec, "user:admin", 1.0)
    member, other = person("noor", groups=frozenset({"audit"})), person("omar")
    assert acting_as(client.app, member).get("/api/v1/runs").status_code == 200
    assert acting_as(client.app, other).get("/api/v1/runs").status_code == 403
    service = Principal("service:noor", PrincipalKind.SERVICE, groups=frozenset({"audit"}))
    assert acting_as(client.app, service).get("/api/v1/runs").status_code == 403


def test_a_policy_of_the_organisation_holds_at_once(client: TestClient, platform: Platform) -> None:
    text = '@id("quiet") @explain("nothing runs today") forbid (principal, action == Action::"run", resource);'
    spec = PlatformSpec(**{**vars(PlatformSpec.default()), "policies": {"quiet": text}})
    assert client.post("/api/v1/policy/ask", json={"action": "run"}).json()["allowed"] is True
    with platform.database.transaction() as session:
        configuration.apply(session, spec, "user:admin", 1.0)
    answer = client.post("/api/v1/policy/ask", json={"action": "run"}).json()
    assert (answer["allowed"], answer["policies"]) == (False, ["quiet"])
    assert "quiet" in {rule["id"] for rule in client.get("/api/v1/policy/rules").json()}
    questions = {"questions": [{"action": "read"}, {"action": "run"}, {"action": "read", "project": "flights"}]}
    answers = client.post("/api/v1/policy/questions", json=questions).json()
    assert [(each["action"], each["allowed"]) for each in answers] == [("read", True), ("run", False), ("read", True)]
    assert client.post("/api/v1/policy/questions", json={"questions": [{"action": "read"}] * 101}).status_code == 400


def test_the_rules_say_themselves(client: TestClient) -> None:
    rules = {rule["id"]: rule for rule in client.get("/api/v1/policy/rules").json()}
    assert rules["sod-self-approve"]["effect"] == "forbid"
    assert rules["sod-self-approve"]["explanation"] == "the requester of a change may not approve it"
    assert "context.change.requester" in rules["sod-self-approve"]["text"]


def test_an_agent_fetches_what_its_location_is_to_serve_and_nothing_else(
    client: TestClient, platform: Platform
) -> None:
    mine, other = (platform.store.put_bytes(text).digest for text in (b"model", b"another"))
    with platform.database.transaction() as session:
        session.add(
            EndpointRow(
                location="dubai", environment="prod", model="m", release=1, version=1, plan={"digest": mine}, status={},
                updated_at=1.0,
            )
        )  # fmt: skip
    agent = acting_as(client.app, Principal("workload:agent/dubai", PrincipalKind.WORKLOAD, location="dubai"))
    assert agent.get(f"/api/v1/artifacts/{mine}/manifest").status_code == 200
    for path in ("manifest", "files/"):
        refused = agent.get(f"/api/v1/artifacts/{other}/{path}")
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden")
    assert client.get(f"/api/v1/artifacts/{other}/manifest").status_code == 200


def test_an_agent_asks_for_its_own_location(client: TestClient) -> None:
    agent = Principal("workload:agent/dubai", PrincipalKind.WORKLOAD, location="dubai")
    report = {"version": 1, "endpoints": []}
    assert acting_as(client.app, agent).put("/api/v1/locations/dubai/status", json=report).status_code == 204
    refused = acting_as(client.app, agent).put("/api/v1/locations/local/status", json=report)
    assert refused.status_code == 403
    assert "other-location" in refused.json()["title"]
    assert acting_as(client.app, agent).get("/api/v1/runs").status_code == 403
