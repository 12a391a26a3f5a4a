"""Who may ask: a real Envoy with a door for other machines, TLS, tokens and certificates."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import RSAKey

from falaj.dataplane.callers import Admittance, CallerPolicy, CallerTrust, Door, EndpointCallers, TokenIssuer
from falaj.dataplane.runtimes.process.envoy import config
from falaj.dataplane.runtimes.process.gateway import GatewayCertificate
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import CertificateAuthority, key_pem, open_authority
from falaj.supply_chain.certificates.names import caller_uri
from falaj.supply_chain.certificates.workload_certificates import Validity
from falaj.trust.identity import federation
from falaj.trust.pki.caller_tokens import CallerKey, open_caller_key
from tests.dataplane.conftest import free_port, servable, stub_command
from tests.identity_providers import run_nanoidp
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.locations
TOKEN_CALLERS = EndpointCallers(None, ("ana", "bo"))


def own_address() -> str:
    """An address of this machine that is not loopback; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.fail("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def server_pair(authority: CertificateAuthority, address: str) -> GatewayCertificate:
    key = certificates.new_key()
    issued = authority.issue_door(key.public_key(), [address], time.time())
    return GatewayCertificate(certificates.pem_of(issued), key_pem(key).decode())


@dataclass
class Scene:
    """A gateway with a door, and who knocks."""

    runtime: ProcessRuntime
    key: CallerKey
    authority: CertificateAuthority
    door: Door
    folder: Path
    pairs: list[GatewayCertificate]
    provider: TokenIssuer | None = None

    @property
    def entry(self) -> CallerTrust:
        return CallerTrust(self.key.jwks, self.authority.pem, self.authority.trust_domain, self.door, self.provider)

    def serve(self, callers: dict[str, EndpointCallers]) -> None:
        servables = [servable(model=name.partition("/")[2]) for name in callers]
        self.runtime.settle(servables, None, Admittance(self.entry, callers), timeout_s=HANGS_AFTER_S)
        assert self.runtime.gateway.door_problem == ""

    def token(self, caller: str, life_s: float = 60.0) -> str:
        return self.key.token(caller, time.time(), time.time() + life_s)

    def context(self, caller: str = "") -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.pem)
        if caller:
            context.load_cert_chain(self.client_pair(self.authority, caller))
        return context

    def client_pair(self, authority: CertificateAuthority, caller: str) -> Path:
        key, now = certificates.new_key(), time.time()
        uri = caller_uri(self.authority.trust_domain, caller)  # its own, whoever signs it
        caller_certificate = certificates.issue_caller(
            authority.certificate, authority.key, key.public_key(), uri, 7, Validity(now - 60, now + 60)
        )
        path = self.folder / f"{caller}.pem"
        path.write_bytes(key_pem(key) + caller_certificate.public_bytes(Encoding.PEM))
        return path

    def ask(
        self, path: str, headers: dict[str, str] | None = None, context: ssl.SSLContext | None = None
    ) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPSConnection(
            self.door.address, self.door.port, timeout=HANGS_AFTER_S, context=context or self.context()
        )
        return answer(connection, path, headers)

    def ask_many(self, path: str, headers: dict[str, str], count: int) -> list[int]:
        """Over one connection, so that they come close behind one another."""
        connection = http.client.HTTPSConnection(
            self.door.address, self.door.port, timeout=HANGS_AFTER_S, context=self.context()
        )
        statuses = []
        for _ in range(count):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    def ask_here(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
        port = self.runtime.gateway.port
        return answer(http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_AFTER_S), path, headers)


def answer(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None
) -> tuple[int, dict[str, object]]:
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[str, Callable[..., list[str]]]]:
    """A network namespace with a wire to this one: our address on it, and what runs a script in there."""
    name, ours, theirs = f"falaj{os.getpid()}", f"fj{os.getpid()}a"[:15], f"fj{os.getpid()}b"[:15]
    net = os.getpid() % 250
    outer, inner = f"198.18.{net}.1", f"198.18.{net}.2"
    steps = (
        f"ip netns add {name}",
        f"ip link add {ours} type veth peer name {theirs} netns {name}",
        f"ip addr add {outer}/30 dev {ours}",
        f"ip link set {ours} up",
        f"ip -n {name} addr add {inner}/30 dev {theirs}",
        f"ip -n {name} link set {theirs} up",
    )
    ip = shutil.which("ip")
    if ip is None or any(subprocess.run(step.split(), capture_output=True).returncode for step in steps):
        subprocess.run([ip or "true", "netns", "del", name], capture_output=True)
        pytest.skip("this machine makes no network namespace with a wire; the other tests use its own address")

    def run(script: str, *arguments: str) -> list[str]:
        path = tmp_path / "outside.py"
        path.write_text(script)
        command = [ip, "netns", "exec", name, sys.executable, "-I", str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    yield outer, run
    subprocess.run([ip, "netns", "del", name], check=True)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    place = LocationFolders(tmp_path / "location", tmp_path / "logs")
    authority, door = open_authority(tmp_path / "keys", time.time), Door(own_address(), free_port())
    pairs = [server_pair(authority, door.address)]
    runtime = ProcessRuntime(place, port=free_port(), command=stub_command, certificate=lambda _door: pairs[-1])
    yield Scene(runtime, open_caller_key(tmp_path / "keys"), authority, door, tmp_path, pairs)
    runtime.stop()


def test_the_door_takes_a_token_of_the_endpoint_and_no_other(scene: Scene) -> None:
    scene.serve({"dev/m": TOKEN_CALLERS, "dev/n": EndpointCallers(None, ("cy",))})
    code, body = scene.ask("/dev/m/v2", bearer(scene.token("ana")))
    assert (code, body["name"], body["caller"], body["authorization"]) == (200, "m@1", "ana", None)
    stranger = open_caller_key(scene.folder / "other").token("ana", time.time(), time.time() + 60)
    refused = {
        "none": {}, "wrong": bearer("x.y.z"), "of another key": bearer(stranger),
        "expired": bearer(scene.token("ana", -60)), "in the query": {},
    }  # fmt: skip
    for name, headers in refused.items():
        path = f"/dev/m/v2?access_token={scene.token('ana')}" if name == "in the query" else "/dev/m/v2"
        code, body = scene.ask(path, headers)
        assert (code, body["code"]) == (401, "endpoint.token"), name
    for name, path in (("of another endpoint", "/dev/m/v2"), ("of none", "/dev/q/v2"), ("of the list", "/")):
        code, body = scene.ask(path, bearer(scene.token("cy")))
        assert (code, body["code"]) == (403, "endpoint.caller"), name
    assert scene.ask("/dev/m/v2", {**bearer(scene.token("ana")), "falaj-caller": "bo"})[1]["caller"] == "ana"
    assert scene.ask("/dev/m/v2", {"falaj-caller": "ana"})[0] == 401
    with pytest.raises((OSError, http.client.HTTPException)):
        answer(http.client.HTTPConnection(scene.door.address, scene.door.port, timeout=HANGS_AFTER_S), "/dev/m/v2", {})
    assert scene.ask_here("/dev/m/v2")[0] == 200
    assert scene.ask_here("/dev/m/v2", {**bearer("secret"), "falaj-caller": "ana"})[1].items() >= {
        ("caller", None), ("authorization", None)
    }  # fmt: skip


def test_a_revoked_caller_is_out_on_open_connections_too(scene: Scene) -> None:
    scene.serve({"dev/m": TOKEN_CALLERS})
    connection = http.client.HTTPSConnection(
        scene.door.address, scene.door.port, timeout=HANGS_AFTER_S, context=scene.context()
    )
    shown = bearer(scene.token("bo"))

    def status() -> int:
        connection.request("GET", "/dev/m/v2", headers=shown)
        response = connection.getresponse()
        response.read()
        return response.status

    assert status() == 200
    scene.serve({"dev/m": EndpointCallers(None, ("ana",))})
    assert status() == 403  # in force when the pass returned
    assert scene.ask("/dev/m/v2", bearer(scene.token("ana")))[0] == 200
    connection.close()


def test_callers_by_certificate(scene: Scene, tmp_path: Path) -> None:
    scene.serve({"dev/m": EndpointCallers(CallerPolicy.MTLS, ("ana",)), "dev/n": TOKEN_CALLERS})
    ana, bo = scene.context("ana"), scene.context("bo")
    uri = caller_uri(scene.authority.trust_domain, "ana")
    code, body = scene.ask("/dev/m/v2", {"falaj-caller": "bo", **bearer("x")}, ana)
    assert (code, body["caller"], body["authorization"]) == (200, uri, None)
    assert scene.ask("/dev/m/v2", {}, bo)[0] == 403
    assert scene.ask("/dev/m/v2", {"falaj-caller": uri, **bearer(scene.token("ana"))})[0] == 403  # a token is none
    assert scene.ask("/dev/n/v2", {}, ana)[0] == 401  # nor is a certificate a token
    foreign = ssl.create_default_context(cadata=scene.authority.pem)
    foreign.load_cert_chain(scene.client_pair(open_authority(tmp_path / "foreign", time.time), "ana"))
    with pytest.raises((OSError, http.client.HTTPException)):
        scene.ask("/dev/m/v2", {}, foreign)
    assert scene.ask_here("/dev/m/v2", bearer(scene.token("ana")))[0] == 403  # without TLS nobody shows one
    scene.serve({"dev/m": EndpointCallers(CallerPolicy.MTLS, ()), "dev/n": TOKEN_CALLERS})
    assert scene.ask("/dev/m/v2", {}, ana)[0] == 403


AUDIENCE = "https://models.example.org/dev/m"
BY_PROVIDER = EndpointCallers(CallerPolicy.OIDC, ("ana",), audience=AUDIENCE)


def access_token(issuer: str, resource: str) -> str:
    """What a real provider gives to a program for an endpoint (RFC 6749, 4.4; RFC 8707)."""
    form = {"grant_type": "client_credentials", "resource": resource}
    configuration = httpx.get(f"{issuer}/.well-known/openid-configuration", trust_env=False).json()
    answer = httpx.post(configuration["token_endpoint"], data=form, auth=("falaj-secret", "s3cret"), trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def by_public_key(key: RSAKey, claims: dict[str, object]) -> str:
    """A token whose secret is what everybody knows (RFC 8725, 2.1)."""
    parts = [json.dumps(each).encode() for each in ({"alg": "HS256", "kid": "first"}, claims)]
    content = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in parts)
    signature = hmac.digest(key.as_pem(private=False), content, "sha256")
    return (content + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_callers_by_tokens_of_an_identity_provider(scene: Scene) -> None:
    (scene.folder / "provider").mkdir()
    with run_nanoidp(scene.folder / "provider", "http://127.0.0.1:9/callback") as issuer:
        scene.provider = TokenIssuer(issuer, federation.published_keys(issuer, federation.Web()), 3_600)
        token, elsewhere = (access_token(issuer, each) for each in (AUDIENCE, AUDIENCE.replace("/m", "/n")))
    scene.serve({"dev/m": BY_PROVIDER, "dev/n": TOKEN_CALLERS})
    code, body = scene.ask("/dev/m/v2", {**bearer(token), "falaj-caller": "ana"})
    assert (code, body["caller"], body["authorization"]) == (200, "oidc:falaj-secret", None)
    assert scene.ask("/dev/m/v2", bearer(elsewhere))[0] == 403
    assert scene.ask("/dev/m/v2", bearer(scene.token("ana")))[0] == 401  # the installation's are not the provider's
    assert scene.ask("/dev/n/v2", bearer(token))[0] == 401
    assert scene.ask_here("/dev/m/v2")[0] == 401 and scene.ask_here("/dev/m/v2", bearer(token))[0] == 200
    assert scene.ask_here("/dev/m/feedback", bearer(token))[1]["caller"] == "oidc:falaj-secret"
    scene.provider = replace(scene.provider, jwks={})
    scene.serve({"dev/m": BY_PROVIDER, "dev/n": TOKEN_CALLERS})
    assert scene.ask("/dev/m/v2", bearer(token))[0] == 403  # without keys nobody comes in


def test_what_a_provider_did_not_say_of_an_endpoint_lets_nobody_in(scene: Scene) -> None:
    key, issuer, now = RSAKey.generate_key(2048, {"kid": "first"}), "https://login.example.org", int(time.time())
    scene.provider = TokenIssuer(issuer, {"keys": [{**key.as_dict(private=False), "alg": "RS256"}]}, 600)
    scene.serve({"dev/m": BY_PROVIDER})
    honest = {"iss": issuer, "sub": "billing", "aud": AUDIENCE, "iat": now, "exp": now + 500}

    def answer_to(signer: RSAKey = key, **changed: object) -> int:
        claims = {name: value for name, value in (honest | changed).items() if value is not None}
        return scene.ask("/dev/m/v2", bearer(jwt.encode({"alg": "RS256", "kid": "first"}, claims, signer)))[0]

    assert answer_to() == 200
    assert answer_to(aud=["https://other.example.org", AUDIENCE]) == 200
    assert answer_to(exp=now - 3, iat=now - 400) == 200  # a clock may be wrong by 5 s
    assert answer_to(exp=now - 60, iat=now - 400) == 401
    assert answer_to(exp=now + 3_000) == 401  # good for longer than the platform file allows
    assert answer_to(exp=None) == 401
    assert answer_to(nbf=now + 300) == 401
    assert answer_to(iss="https://login.example.com") == 401
    assert answer_to(RSAKey.generate_key(2048, {"kid": "first"})) == 401
    assert scene.ask("/dev/m/v2", bearer(by_public_key(key, honest)))[0] == 401
    for audience in (None, "", [], AUDIENCE + "/x", AUDIENCE.upper(), {"x": AUDIENCE}, [[AUDIENCE]]):
        assert answer_to(aud=audience) in (401, 403), audience
    for subject in (None, "", "a\r\nfalaj-caller: ana", "a b", 7, ["billing"], "\u0000"):
        assert answer_to(sub=subject) in (401, 403), subject


def test_a_caller_that_asks_too_often_waits_alone(scene: Scene) -> None:
    scene.serve({"dev/m": EndpointCallers(None, ("ana", "bo"), per_second=3)})
    answers = until(lambda: 429 in (codes := scene.ask_many("/dev/m/v2", bearer(scene.token("ana")), 30)) and codes)
    assert 200 in answers
    assert scene.ask("/dev/m/v2", bearer(scene.token("bo")))[0] == 200


def test_here_predictions_are_open_and_labels_are_not(scene: Scene) -> None:
    scene.serve({"dev/m": TOKEN_CALLERS, "dev/n": EndpointCallers(CallerPolicy.TOKEN, ("cy",))})
    assert scene.ask_here("/dev/m/v2")[0] == 200
    for path in ("/dev/m/feedback", "/dev/m//feedback", "/dev/m/x/../feedback", "/dev/m/feedback?x"):
        assert scene.ask_here(path)[0] == 401, path
    assert scene.ask_here("/dev/m/feedback", bearer(scene.token("cy")))[0] == 403
    reply = scene.ask_here("/dev/m/feedback?x=1", bearer(scene.token("ana")))[1]
    assert (reply["caller"], reply["path"]) == ("ana", "/feedback?x=1")
    assert scene.ask_here("/dev/n/v2")[0] == 401
    assert scene.ask_here("/dev/n/v2", bearer(scene.token("cy")))[0] == 200


def test_an_endpoint_for_this_machine_is_not_served_at_the_door(scene: Scene) -> None:
    scene.serve({"dev/m": EndpointCallers(CallerPolicy.ANYONE, ("ana",))})
    assert scene.ask("/dev/m/v2", bearer(scene.token("ana")))[0] == 403
    assert scene.ask_here("/dev/m/v2")[0] == 200


def test_what_is_wrong_with_the_door_costs_it_alone(scene: Scene) -> None:
    with socket.socket() as other:
        other.bind((scene.door.address, 0))
        other.listen()
        busy_door = replace(scene.door, port=other.getsockname()[1])
        for bad in (busy_door, replace(scene.door, address="192.0.2.77")):
            entry = replace(scene.entry, door=bad)
            scene.runtime.settle([servable()], None, Admittance(entry), timeout_s=HANGS_AFTER_S)
            assert scene.runtime.gateway.door_problem
            assert scene.ask_here("/dev/m/v2")[0] == 200
    scene.serve({"dev/m": TOKEN_CALLERS})
    assert scene.ask("/dev/m/v2", bearer(scene.token("ana")))[0] == 200


def test_a_handshake_that_never_ends_is_cut_off(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "HANDSHAKE_TIMEOUT_S", 1)
    scene.serve({"dev/m": TOKEN_CALLERS})
    with socket.create_connection((scene.door.address, scene.door.port), HANGS_AFTER_S) as silent:
        silent.sendall(b"\x16\x03\x01")
        assert silent.recv(100) == b""


def test_who_fills_the_door_leaves_this_machine_its_own(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "MAX_CONNECTIONS", 2)
    scene.serve({"dev/m": TOKEN_CALLERS})
    shown = bearer(scene.token("ana"))
    open_connections = [
        http.client.HTTPSConnection(scene.door.address, scene.door.port, timeout=HANGS_AFTER_S, context=scene.context())
        for _ in range(2)
    ]
    for connection in open_connections:
        connection.request("GET", "/dev/m/v2", headers=shown)
        assert connection.getresponse().read()
    with pytest.raises((OSError, http.client.HTTPException)):
        scene.ask("/dev/m/v2", shown)
    assert scene.ask_here("/dev/m/v2")[0] == 200
    for connection in open_connections:
        connection.close()


def test_another_agent_finds_the_door_open(scene: Scene) -> None:
    scene.serve({"dev/m": TOKEN_CALLERS})
    context, opened = scene.context(), scene.runtime.gateway.layout.file("listeners")
    before = opened.stat().st_mtime_ns
    place, port = LocationFolders(scene.folder / "location", scene.folder / "logs"), scene.runtime.gateway.port
    again = ProcessRuntime(place, port=port, command=stub_command, certificate=lambda _door: scene.pairs[-1])
    again.adopt()
    again.converge([servable()], None, Admittance(scene.entry, {"dev/m": TOKEN_CALLERS}))
    assert opened.stat().st_mtime_ns == before
    assert scene.ask("/dev/m/v2", bearer(scene.token("ana")), context)[0] == 200


def test_a_new_certificate_is_shown_without_a_new_listener(scene: Scene) -> None:
    scene.serve({"dev/m": TOKEN_CALLERS})

    def serial() -> str:
        raw = socket.create_connection((scene.door.address, scene.door.port), HANGS_AFTER_S)
        with scene.context().wrap_socket(raw, server_hostname=scene.door.address) as tls:
            return str((tls.getpeercert() or {})["serialNumber"])

    before, listeners = serial(), scene.runtime.gateway.layout.file("listeners").read_bytes()
    scene.pairs.append(server_pair(scene.authority, scene.door.address))
    scene.serve({"dev/m": TOKEN_CALLERS})
    until(lambda: serial() != before)
    assert scene.runtime.gateway.layout.file("listeners").read_bytes() == listeners


def test_from_another_network_namespace(scene: Scene, outside: tuple[str, Callable[..., list[str]]]) -> None:
    """The same from outside: a machine of its own, as far as the kernel is concerned."""
    outer, run = outside
    scene.door = replace(scene.door, address=outer)
    scene.pairs.append(server_pair(scene.authority, outer))
    scene.serve({"dev/m": TOKEN_CALLERS})
    (scene.folder / "ca.crt").write_text(scene.authority.pem)
    url = f"https://{outer}:{scene.door.port}/dev/m/v2"
    script = (
        "import ssl, sys, urllib.request, urllib.error\n"
        f"context = ssl.create_default_context(cafile={str(scene.folder / 'ca.crt')!r})\n"
        "for token in sys.argv[2:]:\n"
        "    asked = urllib.request.Request(sys.argv[1], headers={'Authorization': 'Bearer ' + token})\n"
        "    try: print(urllib.request.urlopen(asked, context=context, timeout=60).status)\n"
        "    except urllib.error.HTTPError as error: print(error.code)\n"
        "    except OSError as error: print('refused')\n"
    )
    tokens = [scene.token("ana"), scene.token("eve"), scene.token("ana", -60), "x"]
    assert run(script, url, *tokens) == ["200", "403", "401", "401"]
    assert run(script, url.replace("https", "http"), tokens[0]) == ["refused"]
    port = scene.runtime.gateway.port
    assert run(script, f"http://{outer}:{port}/dev/m/v2", tokens[0]) == ["refused"]  # the one for this machine
