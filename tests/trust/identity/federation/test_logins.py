from __future__ import annotations

import pytest
from joserfc.jwk import RSAKey

from falaj.config.platform_spec import BindingSpec
from falaj.core.principal import PrincipalKind
from falaj.storage.identity_tables import AccountRow
from falaj.storage.policy_tables import RoleBindingRow
from falaj.trust import identity
from falaj.trust.identity import accounts, administration
from falaj.trust.identity.federation import logins
from tests.trust.identity.federation.conftest import BACK, VERIFIER, Door, bearer, query, with_provider

pytestmark = pytest.mark.integration


def test_a_person_of_the_provider_is_somebody_with_the_roles_of_the_groups(door: Door) -> None:
    me = door.log_in()
    assert (me["id"], me["email"], me["groups"]) == ("user:omar", "omar@example.org", ["ml"])
    assert [role["role"] for role in me["roles"]] == ["data-scientist"]
    assert me["step_up_method"] == "login"
    with door.platform.database.reading() as session:
        row = session.get_one(AccountRow, "user:omar")
        assert (row.source, row.password_hash) == ("oidc", None)
    assert door.leaves("session.opened")[0].details == {"method": "oidc"}
    assert door.leaves("account.federated")[0].details == {"issuer": door.liar.issuer, "subject": "4711"}


def test_the_subject_is_the_person_whatever_name_and_address_say(door: Door) -> None:
    door.log_in()
    door.liar.claims = {"preferred_username": "renamed", "email": "new@example.org", "groups": ["release-managers"]}
    me = door.log_in()
    assert (me["id"], me["email"], me["groups"]) == ("user:omar", "new@example.org", ["release-managers"])
    door.liar.claims = {"sub": "another", "email": "other@example.org"}
    assert door.log_in()["id"].startswith("user:omar-")


def test_a_name_that_rights_wait_for_is_not_given_to_who_chooses_it(door: Door) -> None:
    with_provider(door.platform, door.liar.issuer, BindingSpec("auditor", user="boss"))
    with door.platform.database.transaction() as session:
        session.add(
            RoleBindingRow(
                tenant="default",
                principal="user:chief",
                role="admin",
                project=None,
                environment=None,
                granted_by="user:root",
                granted_at=0.0,
            )
        )
    for name in ("boss", "chief"):
        door.liar.claims = {"sub": f"chose-{name}", "preferred_username": name, "email": f"{name}@example.org"}
        me = door.log_in()
        assert me["id"].startswith(f"user:{name}-")
        assert {role["role"] for role in me["roles"]} == {"data-scientist"}
    door.liar.claims = {"sub": "odd", "preferred_username": "\u202e../Ädmin\n", "email": "odd@example.org"}
    assert door.log_in()["id"] == "user:dmin"


def test_who_has_no_verified_address_gets_in_and_registers_no_approval_key(door: Door) -> None:
    door.liar.claims = {
        "sub": "new",
        "preferred_username": "zaid",
        "email": "zaid@example.org",
        "email_verified": False,
    }
    me = door.log_in()
    assert (me["id"], me["email"]) == ("user:zaid", None)
    key_request = {"pem": "x", "proof": "x"}
    answer = door.api.post("/api/v1/auth/approval-keys", json=key_request, headers=bearer(me["token"]))
    assert answer.json()["code"] == "identity.refused"


def test_an_address_that_has_an_account_is_refused_and_the_refusal_is_written_down(door: Door) -> None:
    with door.platform.database.transaction() as session:
        new_account = identity.NewAccount(PrincipalKind.USER, "local", accounts.LOCAL, "local@example.org")
        accounts.create(session, new_account, "user:root", 1.0)
    door.liar.claims = {"sub": "twice", "preferred_username": "local", "email": "LOCAL@example.org"}
    answer = door.redeem(door.code())
    assert (answer.status_code, answer.json()["code"]) == (409, "identity.taken")
    [leaf, *_] = door.leaves("session.refused")
    assert (leaf.outcome, (leaf.details or {})["code"]) == ("denied", "identity.taken")


def test_a_locked_account_stays_locked(door: Door) -> None:
    door.liar.claims = {"sub": "leaver", "preferred_username": "leaver", "email": "leaver@example.org"}
    me = door.log_in()
    with door.platform.database.transaction() as session:
        administration.lock(session, accounts.find(session, me["id"]), "left", "user:root", door.platform.now())
    assert door.redeem(door.code()).json()["code"] == "identity.refused"
    assert door.whoami(me["token"])["code"] == "auth.unauthenticated"


def test_a_provider_that_does_not_say_when_the_person_proved_it_gives_no_step_up(door: Door) -> None:
    for claimed_time in (None, int(door.platform.now()) - 4_000):
        door.liar.claims = {"auth_time": claimed_time}
        assert door.log_in()["step_up_method"] is None


def test_the_provider_is_asked_once_and_again_when_it_has_a_new_key(door: Door) -> None:
    for _ in range(3):
        door.log_in()
    assert door.liar.requests.count("/keys") == 1 and door.liar.requests.count("/.well-known/openid-configuration") == 1
    new = RSAKey.generate_key(2048, {"kid": "second"})
    old, door.liar.key = door.liar.key, new
    try:
        assert door.refusal() == "it is signed by an unknown key"  # it was asked less than a minute ago
        [provider] = door.platform.federation._providers.values()
        provider._keys._asked_at -= 61.0
        assert door.log_in()["id"] == "user:omar"
    finally:
        door.liar.key = old
    assert door.liar.requests.count("/keys") == 2


def test_the_login_asks_for_a_fresh_proof_and_binds_the_code_to_itself(door: Door) -> None:
    begun = door.start()
    login_query = query(begun.headers["location"])
    assert (login_query["prompt"], login_query["max_age"], login_query["code_challenge_method"]) == (
        "login",
        "300",
        "S256",
    )
    assert begun.headers["cache-control"] == "no-store"
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/api/v1/auth/oidc" in cookie
    door.come_back(begun)
    [form] = door.liar.forms
    assert logins.s256(form["code_verifier"]) == login_query["code_challenge"] and form["client_id"] == "falaj"
    assert VERIFIER not in str(form)


def test_who_is_refused_by_the_provider_is_told_in_the_terminal(door: Door) -> None:
    back = door.come_back(door.start(), error="access_denied", code="")
    assert back.headers["location"].startswith(f"{BACK}?error=federation.refused")


def test_a_browser_of_this_server_comes_back_to_a_path_of_it(door: Door) -> None:
    back = door.come_back(door.start(return_to="/entered"))
    assert back.headers["location"].startswith("/entered?code=")


def test_the_secret_of_the_platform_is_sent_when_there_is_one_and_must_be_its_own(door: Door) -> None:
    secret = door.platform.home.oidc_secret
    secret.write_text("s3cret\n")
    try:
        secret.chmod(0o644)
        assert door.start().json()["code"] == "federation.secret-exposed"
        secret.chmod(0o600)
        door.liar.changes = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        door.log_in()
        assert door.liar.forms[-1]["client_secret"] == "s3cret"
    finally:
        secret.unlink()


def test_a_provider_that_is_away_or_another_is_a_clear_error(door: Door) -> None:
    door.liar.changes = {"issuer": "https://other.example.org"}
    assert door.start().json()["code"] == "federation.provider"
    door.liar.changes = {"code_challenge_methods_supported": ["plain"]}
    assert "PKCE" in door.start().json()["title"]
