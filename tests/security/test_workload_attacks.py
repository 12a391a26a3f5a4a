"""Attacks on the port for agents, over real TLS: only certificates that were issued get in, and only to their own."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from falaj.api import connections
from falaj.core.home import Home
from falaj.dataplane.agent.agent_identity import Membership
from falaj.dataplane.agent.enrolment import enrol
from falaj.dataplane.agent.server_errors import ask
from falaj.dataplane.errors import LocationError, LocationRefusedError
from falaj.storage import EndpointRow
from falaj.supply_chain.attestations.keys import replace_private
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import CertificateAuthority, key_pem, open_authority
from falaj.supply_chain.certificates.errors import AuthorityError
from falaj.supply_chain.certificates.names import Workload, WorkloadKind
from falaj.trust.pki import agent_certificates
from tests.agents_port import AgentsPort, agents_port
from tests.supply_chain.certificates.test_certificates import forged
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

DESIRED = "/api/v1/locations/edge-1/desired"
REPORT = {"version": 0, "endpoints": []}
CERTIFICATE = (401, "workload.certificate")
HANDSHAKE_WOULD_TAKE_S = 50.0
"""Less than asyncio's own patience of a minute."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentsPort]:
    with agents_port(tmp_path_factory.mktemp("port")) as opened:
        yield opened


@pytest.fixture(scope="module")
def member(port: AgentsPort, tmp_path_factory: pytest.TempPathFactory) -> Membership:
    """The agent of edge-1, honest."""
    return port.join(tmp_path_factory.mktemp("edge-1"))


def presented(
    folder: Path, authority: CertificateAuthority, location: str = "edge-1", now: float | None = None
) -> Path:
    """A certificate of an authority, with its key, as `load_cert_chain` reads it."""
    key = certificates.new_key()
    workload = Workload(authority.trust_domain, WorkloadKind.AGENT, location)
    certificate = authority.issue(key.public_key(), workload, time.time() if now is None else now)
    replace_private(folder / "presented.pem", key_pem(key) + certificate.public_bytes(Encoding.PEM))
    return folder / "presented.pem"


def answer(http: httpx.Client, path: str = DESIRED) -> tuple[int, str]:
    with http:
        response = http.get(path)
    return response.status_code, response.json().get("code", "")


def turned_away(http: httpx.Client) -> None:
    """The connection ends in TLS, before any request is read."""
    with http, pytest.raises(httpx.TransportError):
        http.get(DESIRED)


def test_the_honest_agent_is_answered(member: Membership) -> None:
    with member.client(member.transport()) as http:
        desired = http.get(DESIRED).json()
    assert desired.pop("admittance")["callers"] == {}
    assert desired == {"version": 0, "endpoints": [], "rollouts": {}, "keep_predictions_s": None}


def test_a_foreign_authority_with_the_same_names(port: AgentsPort, tmp_path: Path) -> None:
    key = certificates.new_key()
    validity = certificates.Validity(time.time() - 60, time.time() + 600)
    twin = certificates.make_authority(key, port.authority.trust_domain, 1, validity)
    turned_away(port.connect(presented(tmp_path, CertificateAuthority(twin, key))))


def test_a_certificate_that_signs_itself(port: AgentsPort, tmp_path: Path) -> None:
    stranger = open_authority(tmp_path / "stranger", time.time)
    file = tmp_path / "itself.pem"
    replace_private(file, key_pem(stranger.key) + stranger.pem.encode())
    turned_away(port.connect(file))


def test_an_expired_certificate(port: AgentsPort, tmp_path: Path) -> None:
    turned_away(port.connect(presented(tmp_path, port.authority, now=time.time() - 3600)))


def test_the_server_s_own_certificate(port: AgentsPort) -> None:
    turned_away(port.connect(port.platform.home.keys / "server.pem"))


def test_tls_1_2(port: AgentsPort, tmp_path: Path) -> None:
    turned_away(port.connect(presented(tmp_path, port.authority), ssl.TLSVersion.TLSv1_2))


def test_no_tls(port: AgentsPort) -> None:
    address = urlsplit(port.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=HANGS_AFTER_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        connection.settimeout(5)
        assert not connection.recv(100).startswith(b"HTTP")


def test_two_names_signed_by_the_authority_itself(port: AgentsPort, member: Membership, tmp_path: Path) -> None:
    """TLS lets it in; the doorway does not."""
    two = [Workload(port.authority.trust_domain, WorkloadKind.AGENT, name).uri for name in ("edge-1", "edge-2")]
    assert answer(port.connect(signed(port.authority, two, tmp_path))) == CERTIFICATE


def test_a_certificate_without_a_purpose(port: AgentsPort, tmp_path: Path) -> None:
    name = Workload(port.authority.trust_domain, WorkloadKind.AGENT, "edge-1").uri
    assert answer(port.connect(signed(port.authority, [name], tmp_path, purposes=None))) == CERTIFICATE


def signed(authority: CertificateAuthority, uris: list[str], folder: Path, **others: object) -> Path:
    key = certificates.new_key()
    der = forged(authority, uris, holder=key.public_key(), now=time.time(), **others)  # type: ignore[arg-type]
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    replace_private(folder / "signed.pem", key_pem(key) + pem)
    return folder / "signed.pem"


def test_a_certificate_made_with_a_stolen_authority_key(port: AgentsPort, member: Membership, tmp_path: Path) -> None:
    """It is signed, and was never issued: its serial number is in no table."""
    assert answer(port.connect(presented(tmp_path, port.authority))) == CERTIFICATE


def test_a_token_instead_of_a_certificate(port: AgentsPort) -> None:
    for path in (DESIRED, "/api/v1/runs", "/api/v1/health", "/api/v1/workloads/authority/", "//api/v1/workloads/enrol"):
        assert answer(port.connect(), path) == CERTIFICATE


def test_an_agent_asks_for_another_location(port: AgentsPort, member: Membership) -> None:
    other = "/api/v1/locations/edge-2"
    with member.client(member.transport()) as http:
        request = certificates.make_request(certificates.new_key())
        answers = [
            http.get(f"{other}/desired"),
            http.put(f"{other}/status", json=REPORT),
            http.get(f"{other}/log/consistency", params={"first": 0, "second": 0}),
            http.post(f"{other}/certificate", json={"request": request}),
            http.get("/api/v1/locations/local/desired"),
        ]
    assert {(response.status_code, response.json()["code"]) for response in answers} == {(403, "auth.forbidden")}
    assert all("other-location" in response.json()["title"] for response in answers)


def test_an_agent_does_what_people_do(member: Membership) -> None:
    with member.client(member.transport()) as http:
        refused = [
            http.get("/api/v1/runs"),
            http.get("/api/v1/locations"),
            http.post("/api/v1/locations/edge-1/enrolment", json={}),
            http.delete("/api/v1/locations/edge-1/enrolment"),
        ]
    assert {response.status_code for response in refused} == {403}


def test_an_agent_sends_the_installation_s_token_too(port: AgentsPort, member: Membership) -> None:
    """The certificate is who it is; what else it carries makes it nobody else."""
    with member.client(member.transport()) as http:
        response = http.get("/api/v1/runs", headers={"authorization": f"Bearer {port.platform.home.token}"})
    assert (response.status_code, response.json()["code"]) == (403, "auth.forbidden")


def test_a_request_that_names_someone_else(port: AgentsPort, member: Membership) -> None:
    """What a request says about names is not read: the certificate is for who asks."""
    with member.client(member.transport()) as http:
        certificate_request = {"request": certificates.make_request(certificates.new_key())}
        response = http.post("/api/v1/locations/edge-1/certificate", json=certificate_request)
    der = x509.load_pem_x509_certificate(response.json()["certificate"].encode()).public_bytes(Encoding.DER)
    assert port.authority.check(der, time.time()).workload == member.workload


def test_a_token_is_used_twice(port: AgentsPort, tmp_path: Path) -> None:
    token = port.invite("edge-2")
    port.join(tmp_path / "first", "edge-2", token)
    with pytest.raises(LocationRefusedError, match=r"workload\.token-used"):
        port.join(tmp_path / "second", "edge-2", token)


def test_a_token_for_another_location(port: AgentsPort, tmp_path: Path) -> None:
    with pytest.raises(LocationRefusedError, match=r"workload\.token\)"):
        port.join(tmp_path, "edge-1", port.invite("edge-2"))


def test_an_expired_token(port: AgentsPort, tmp_path: Path) -> None:
    token = port.invite("edge-2", life_s=0.0)
    with pytest.raises(LocationRefusedError, match=r"workload\.token\)"):
        port.join(tmp_path, "edge-2", token)


def test_a_server_with_another_authority_gets_no_token(port: AgentsPort, tmp_path: Path) -> None:
    token = port.invite("edge-2")
    wrong = open_authority(tmp_path / "keys", time.time)
    place = Home(tmp_path, {}).location_dir("edge-2")
    with pytest.raises(AuthorityError, match="the server's authority has the fingerprint"):
        enrol(place, tmp_path / "trust", "edge-2", port.url, token, wrong.fingerprint)
    port.join(tmp_path, "edge-2", token)  # it was not spent


def test_an_agent_that_answers_as_the_server(port: AgentsPort, member: Membership, tmp_path: Path) -> None:
    """An agent's own certificate does not let it stand between another agent and the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(member.folder / "agent.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        victim = replace(member, url=f"https://127.0.0.1:{listening.getsockname()[1]}")

        def stand_between() -> None:
            connection, _ = listening.accept()
            with pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(connection, server_side=True).recv(1)
            connection.close()

        thread = threading.Thread(target=stand_between)
        thread.start()
        with victim.client(victim.transport()) as http, pytest.raises(httpx.ConnectError, match="verify failed"):
            http.get(DESIRED)
        thread.join()


def test_a_copied_request_to_return_is_worth_nothing_without_the_key(port: AgentsPort, tmp_path: Path) -> None:
    victim = port.join(tmp_path / "victim", "edge-2")
    copied = {"request": certificates.make_request(victim.key())}
    with victim.client(victim.transport(certified=False)) as http:
        pem = http.post("/api/v1/workloads/return", json=copied).json()["certificate"]
    with pytest.raises(AuthorityError):
        victim.install(certificates.new_key(), pem, time.time())


def test_a_stranger_s_key_does_not_return(port: AgentsPort, member: Membership) -> None:
    with member.client(member.transport(certified=False)) as http:
        response = http.post(
            "/api/v1/workloads/return", json={"request": certificates.make_request(certificates.new_key())}
        )
    assert (response.status_code, response.json()["code"]) == CERTIFICATE


def test_a_forgotten_agent_is_refused_at_once_on_the_connection_that_it_has(port: AgentsPort, tmp_path: Path) -> None:
    member = port.join(tmp_path, "edge-2")
    certificate_copy = shutil.copy(member.folder / "agent.pem", tmp_path / "kept.pem")
    with port.connect(Path(certificate_copy)) as http:
        assert http.put("/api/v1/locations/edge-2/status", json=REPORT).status_code == 204
        with port.platform.database.transaction() as session:
            agent_certificates.forget(session, "edge-2", "user:root", time.time())
        response = http.put("/api/v1/locations/edge-2/status", json=REPORT)
        assert (response.status_code, response.json()["code"]) == CERTIFICATE
        certificate_request = {"request": certificates.make_request(member.key())}
        assert http.post("/api/v1/locations/edge-2/certificate", json=certificate_request).status_code == 401
    with pytest.raises(LocationError, match=r"workload\.certificate"):
        _return(member)


def _return(member: Membership) -> None:
    with member.client(member.transport(certified=False)) as http:
        ask(http, "POST", "/api/v1/workloads/return", {"request": certificates.make_request(member.key())})


def test_a_forgotten_agent_s_waiting_question_is_not_answered(port: AgentsPort, tmp_path: Path) -> None:
    """What it asked before it was put out, and waits for since, is refused when the answer is there."""
    member = port.join(tmp_path, "edge-2")
    responses: list[httpx.Response] = []

    def wait() -> None:
        with member.client(member.transport()) as http:
            responses.append(http.get("/api/v1/locations/edge-2/desired", params={"after": 0}))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(1.3)
    with port.platform.database.transaction() as session:
        agent_certificates.forget(session, "edge-2", "user:root", time.time())
        _point_somewhere(session)
    thread.join()
    assert (responses[0].status_code, responses[0].json()["code"]) == CERTIFICATE


def _point_somewhere(session: Session) -> None:
    """Something new for edge-2 ends the wait."""
    session.add(
        EndpointRow(
            location="edge-2", environment="dev", model="m", release=1, version=1, updated_at=1.0, status={},
            plan={"withdrawn": "test"},
        )
    )  # fmt: skip


def test_a_handshake_that_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_WITHIN_S", 0.5)
    with agents_port(tmp_path) as opened:
        parts = urlsplit(opened.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=HANDSHAKE_WOULD_TAKE_S) as silent:
            assert silent.recv(100) == b""


def test_a_body_without_end_is_refused_before_it_comes(port: AgentsPort) -> None:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"a" * 65536

    with port.connect() as http, suppress(httpx.WriteError):  # the answer came and the connection ended while we wrote
        assert http.post("/api/v1/workloads/enrol", content=pieces()).status_code == 413
