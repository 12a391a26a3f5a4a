"""Who may say who asks an endpoint, what its locations are told, and the API behind TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from falaj.api import caller_admission
from falaj.api.platform import Platform
from falaj.api.tls_listener import _Listener, marked
from falaj.config.platform_spec import ListenSpec
from falaj.storage import EndpointRow
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.names import own_caller
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite
from tests.servers import free_ports
from tests.waiting import until

pytestmark = pytest.mark.integration

PATH = f"/api/v1/endpoints/dev/{MODEL}/callers"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    api_scene = open_scene(tmp_path, database)
    api_scene.release()
    with database.transaction() as session:
        row = EndpointRow(location="local", environment="dev", model=MODEL, release=1, version=7, updated_at=1.0)
        row.status, row.plan = {}, {"callers": "token", "per_caller": 5}
        session.add(row)
    for name, role in (("rima", "ml-engineer"), ("noor", "auditor"), ("zaid", "data-scientist")):
        grant(database, name, role)
    yield api_scene
    database.close()


def desired_callers(scene: Scene) -> tuple[int, tuple[str, ...]]:
    """Version and callers of the endpoint in the desired state."""
    with scene.platform.database.reading() as session:
        row = session.get_one(EndpointRow, ("local", "dev", MODEL))
        admission_state = caller_admission.of_location(session, scene.platform, "local", [row])
        return row.version, admission_state.callers[f"dev/{MODEL}"].ids


def test_a_caller_is_added_told_and_revoked(scene: Scene) -> None:
    rima, own = acting_as(app_of(scene.platform), "rima"), own_caller(f"dev/{MODEL}")
    assert desired_callers(scene) == (7, (own,))
    added = rima.post(PATH, json={"name": "billing", "life_s": 3600}).json()
    pseudonym = added["caller"]["id"]
    token = jwt.decode(added["credential"], KeySet.import_key_set(scene.platform.caller_key.jwks))
    assert token.claims["sub"] == pseudonym and "billing" not in added["credential"]
    assert token.claims["exp"] == int(scene.platform.now() + 3600)
    assert desired_callers(scene) == (8, (own, pseudonym))
    assert rima.post(PATH, json={"name": "billing"}).json()["code"] == "endpoint.caller-exists"
    noor = acting_as(app_of(scene.platform), "noor")
    assert [each["state"] for each in noor.get(PATH).json()] == ["active"]
    assert rima.delete(f"{PATH}/billing").json()["state"] == "revoked"
    assert desired_callers(scene) == (9, (own,))
    assert rima.delete(f"{PATH}/billing").status_code == 404
    assert rima.post("/api/v1/endpoints/prod/other/callers", json={"name": "x"}).status_code == 404


def test_a_certificate_is_for_the_key_that_asked(scene: Scene) -> None:
    key, rima = certificates.new_key(), acting_as(app_of(scene.platform), "rima")
    body = {"name": "billing", "request": certificates.make_request(key)}
    added = rima.post(PATH, json=body).json()
    assert added["caller"]["kind"] == "certificate"
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(added["credential"].encode())
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    [uri] = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uri == f"spiffe://{scene.platform.authority.trust_domain}/caller/{added['caller']['id']}"


def test_who_does_not_run_the_endpoint_adds_nobody(scene: Scene) -> None:
    for name in ("noor", "zaid"):
        assert acting_as(app_of(scene.platform), name).post(PATH, json={"name": "x"}).status_code == 403
    assert desired_callers(scene)[0] == 7


@pytest.mark.e2e
def test_the_api_behind_tls_takes_no_token_of_the_installation(scene: Scene) -> None:
    platform, [port] = Platform(scene.platform.home, scene.platform.database), free_ports(1)  # by the true time
    listen = ListenSpec("127.0.0.1", port, names=("127.0.0.1",))
    listener = _Listener(platform, marked(app_of(platform)), listen)
    listener.start()
    try:
        context = ssl.create_default_context(cadata=platform.authority.pem)
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False) as client:

            def up() -> bool:
                try:
                    return client.get("/api/v1/health").status_code == 200
                except httpx.ConnectError:
                    return False

            until(up)
            own = {"authorization": f"Bearer {platform.home.token}"}
            assert client.get("/api/v1/projects", headers=own).status_code == 401
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/api/v1/health", trust_env=False)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"https://127.0.0.1:{port}/api/v1/health", trust_env=False)
    finally:
        listener.stop()
