from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.trust.policy.organisation import with_organisation
from tests.security_keys import SoftwareKey
from tests.trust.identity.federation.conftest import PUBLIC, Door, bearer

pytestmark = pytest.mark.integration

STATEMENT = hashlib.sha256(b"what is approved").hexdigest()
OTHER = hashlib.sha256(b"something else").hexdigest()


class Person:
    """Someone who is logged in, with a security key."""

    def __init__(self, door: Door, key: SoftwareKey | None = None) -> None:
        self.door, self.headers = door, bearer(door.log_in()["token"])
        self.key = key or SoftwareKey(PUBLIC, "localhost")

    def post(self, path: str, **body: Any) -> Any:
        return self.door.api.post(f"/api/v1/auth/{path}", json=body, headers=self.headers)

    def register(self) -> Any:
        options = self.post("security-keys/begin").json()
        return self.post("security-keys", label="blue key", response=self.key.create(options))

    def options(self, statement: str = STATEMENT) -> dict[str, Any]:
        answer = self.post("step-up/security-key/begin", statement=statement)
        assert answer.status_code == 200, answer.text
        key_options: dict[str, Any] = answer.json()
        return key_options

    def finish(self, response: dict[str, Any]) -> Any:
        return self.post("step-up/security-key", response=response)


@pytest.fixture
def person(door: Door) -> Person:
    new_person = Person(door)
    for key_row in door.api.get("/api/v1/auth/security-keys", headers=new_person.headers).json():
        door.api.delete(f"/api/v1/auth/security-keys/{key_row['id']}", headers=new_person.headers)
    assert new_person.register().status_code == 201
    return new_person


def test_a_key_proves_its_person_for_one_statement(person: Person) -> None:
    proved = person.finish(person.key.get(person.options())).json()
    assert (proved["method"], proved["statement"]) == ("webauthn", STATEMENT)
    me = person.door.api.get("/api/v1/auth/whoami", headers=person.headers).json()
    assert (me["step_up_method"], me["step_up_at"]) == ("webauthn", proved["at"])
    assert (person.door.leaves("session.step-up")[0].details or {})["statement"] == STATEMENT
    [listed] = person.door.api.get("/api/v1/auth/security-keys", headers=person.headers).json()
    assert (listed["label"], listed["used_at"]) == ("blue key", proved["at"])


def test_each_challenge_is_another_and_is_not_the_statement_alone(person: Person) -> None:
    challenges = {person.options()["challenge"] for _ in range(3)}
    assert len(challenges) == 3


def test_a_key_that_counts_nothing_is_taken_again_and_again(person: Person) -> None:
    person.key.counts, person.key.count = False, 0
    for _ in range(2):
        assert person.finish(person.key.get(person.options())).status_code == 200


def test_registering_needs_a_fresh_login_and_removing_too(person: Person, door: Door) -> None:
    door.liar.claims = {"auth_time": None}
    headers = bearer(door.log_in()["token"])
    answer = door.api.post("/api/v1/auth/security-keys/begin", headers=headers)
    assert answer.json()["code"] == "identity.step-up-needed"
    [key_row] = door.api.get("/api/v1/auth/security-keys", headers=headers).json()
    answer = door.api.delete(f"/api/v1/auth/security-keys/{key_row['id']}", headers=headers)
    assert answer.json()["code"] == "identity.step-up-needed"


def test_a_key_is_registered_once_and_a_removed_one_proves_nothing(person: Person, api: TestClient) -> None:
    assert person.register().json()["code"] == "identity.taken"
    options = person.options()
    [key_row] = api.get("/api/v1/auth/security-keys", headers=person.headers).json()
    assert api.delete(f"/api/v1/auth/security-keys/{key_row['id']}", headers=person.headers).status_code == 204
    assert person.finish(person.key.get(options)).json()["code"] == "security-key.refused"
    assert person.post("step-up/security-key/begin", statement=STATEMENT).json()["code"] == "identity.unknown"


def test_the_policy_in_the_documentation_loads() -> None:
    page = Path(__file__).parents[4] / "docs" / "how-to" / "oidc.md"
    [text] = re.findall(r"```cedar\n(.*?)```", page.read_text(), re.DOTALL)
    assert "prod-by-security-key" in str(with_organisation({"security-keys": text}).texts)
