"""Names, certificates and their checks; certificates that someone else made differently are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from falaj.supply_chain.attestations import EvidenceError
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import FILE, CertificateAuthority, open_authority
from falaj.supply_chain.certificates.errors import AuthorityError, PeerRefusedError, RequestRefusedError
from falaj.supply_chain.certificates.names import Workload, WorkloadKind, parse_uri

NOW = 1_800_000_000.0
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return open_authority(tmp_path_factory.mktemp("keys"), lambda: NOW)


def agent(authority: CertificateAuthority, name: str = "edge-1") -> Workload:
    return Workload(authority.trust_domain, WorkloadKind.AGENT, name)


def issued(authority: CertificateAuthority, workload: Workload, now: float = NOW) -> bytes:
    return authority.issue(certificates.new_key().public_key(), workload, now).public_bytes(Encoding.DER)


def test_what_is_issued_is_believed_until_it_ends(authority: CertificateAuthority) -> None:
    der = issued(authority, agent(authority))
    peer = authority.check(der, NOW + 5)
    assert (peer.workload, peer.expires_at, peer.issued_at) == (agent(authority), NOW + 600, NOW)
    assert peer.workload.uri == f"spiffe://{authority.trust_domain}/agent/edge-1"
    principal = peer.workload.principal(peer.issued_at)
    assert (principal.id, principal.location) == ("workload:agent/edge-1", "edge-1")
    for moment in (NOW + 600, NOW - 61):
        with pytest.raises(PeerRefusedError, match="expired, or is not valid yet"):
            authority.check(der, moment)


def test_an_authority_is_made_once_and_opened_again(tmp_path: Path) -> None:
    first, second = (open_authority(tmp_path, lambda: NOW) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(EvidenceError, match="other users may read"):
        open_authority(tmp_path, lambda: NOW)


def test_a_file_that_holds_no_authority_is_refused(tmp_path: Path, authority: CertificateAuthority) -> None:
    file = tmp_path / FILE
    file.touch(0o600)
    with pytest.raises(AuthorityError, match="no certificate authority"):
        open_authority(tmp_path, lambda: NOW)
    file.write_bytes(authority.issue_server(NOW))  # a workload is no authority
    with pytest.raises(AuthorityError, match="no certificate authority"):
        open_authority(tmp_path, lambda: NOW)
    stranger = certificates.new_key()
    file.write_bytes(authority_key(stranger) + authority.pem.encode())
    with pytest.raises(AuthorityError, match="do not belong together"):
        open_authority(tmp_path, lambda: NOW)


def authority_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    from falaj.supply_chain.certificates.authority import key_pem

    return key_pem(key)


Change = Callable[[CertificateAuthority], bytes]


def forged(
    authority: CertificateAuthority,
    uris: list[str],
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    purposes: tuple[x509.ObjectIdentifier, ...] | None = (CLIENT,),
    ca: bool = False,
    signs: bool = True,
    dns: str = "",
    holder: ec.EllipticCurvePublicKey | None = None,
    now: float = NOW,
) -> bytes:
    """A certificate as an attacker, or an authority with a bug, would make it."""
    begin, end = (datetime.fromtimestamp(now + offset, UTC) for offset in (-60, 600))
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
    names += [x509.DNSName(dns)] if dns else []
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(authority.certificate.subject)
    builder = builder.public_key(holder or certificates.new_key().public_key()).serial_number(7)
    builder = builder.not_valid_before(begin).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca, 0 if ca else None), True)
    builder = builder.add_extension(
        x509.KeyUsage(signs, not signs, False, False, False, False, False, False, False), True
    )  # fmt: skip
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False) if names else builder
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False) if purposes else builder
    return builder.sign(key or authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda a: forged(a, [agent(a).uri], key=certificates.new_key()), id="foreign authority"),
        pytest.param(lambda a: forged(a, [agent(a).uri, agent(a, "edge-2").uri]), id="two URIs"),
        pytest.param(lambda a: forged(a, [agent(a).uri] * 2), id="one URI twice"),
        pytest.param(lambda a: forged(a, [agent(a).uri], dns="edge-1"), id="another name"),
        pytest.param(lambda a: forged(a, []), id="no name"),
        pytest.param(lambda a: forged(a, [agent(a).uri], purposes=None), id="no purpose"),
        pytest.param(lambda a: forged(a, [agent(a).uri], purposes=(SERVER,)), id="server's purpose"),
        pytest.param(lambda a: forged(a, [agent(a).uri], purposes=(CLIENT, SERVER)), id="both purposes"),
        pytest.param(lambda a: forged(a, [agent(a).uri], ca=True), id="an authority"),
        pytest.param(lambda a: forged(a, [agent(a).uri], signs=False), id="a key that may not sign"),
        pytest.param(
            lambda a: forged(a, [Workload("elsewhere", WorkloadKind.AGENT, "edge-1").uri]), id="other trust domain"
        ),
        pytest.param(lambda a: forged(a, [f"https://{a.trust_domain}/agent/edge-1"]), id="other scheme"),
        pytest.param(lambda a: forged(a, [f"{agent(a).uri}?x"]), id="a query"),
        pytest.param(lambda a: a.certificate.public_bytes(Encoding.DER), id="the authority itself"),
        pytest.param(lambda a: issued(a, Workload(a.trust_domain, WorkloadKind.SERVER)), id="the server"),
        pytest.param(lambda a: b"\x30\x82", id="no certificate"),
    ],
)
def test_any_other_certificate_is_refused(authority: CertificateAuthority, forge: Change) -> None:
    with pytest.raises(PeerRefusedError) as caught:
        authority.check(forge(authority), NOW)
    assert caught.value.code == "workload.certificate"


def test_the_forger_itself_can_make_one_that_is_believed(authority: CertificateAuthority) -> None:
    assert authority.check(forged(authority, [agent(authority).uri]), NOW).workload == agent(authority)


def test_a_request_proves_its_key() -> None:
    key = certificates.new_key()
    assert certificates.requested_key(certificates.make_request(key)) == key.public_key()


def altered() -> str:
    request = x509.load_pem_x509_csr(certificates.make_request(certificates.new_key()).encode())
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()


def request_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signing_request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    return signing_request.public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("pem", "expected_message"),
    [
        ("", "not a request"),
        ("x" * 10_000, "too long"),
        (request_of(ed25519.Ed25519PrivateKey.generate()), "P-256 keys alone"),
        (request_of(ec.generate_private_key(ec.SECP384R1())), "P-256 keys alone"),
        (altered(), "not signed by its own key"),
    ],
)
def test_a_request_that_proves_nothing_is_refused(pem: str, expected_message: str) -> None:
    with pytest.raises(RequestRefusedError, match=expected_message):
        certificates.requested_key(pem)


@given(st.text(max_size=30), st.sampled_from(list(WorkloadKind)), st.text(max_size=30))
def test_a_name_that_can_be_written_is_read_back(trust_domain: str, part: WorkloadKind, name: str) -> None:
    try:
        workload = Workload(trust_domain, part, name)
    except ValueError:
        return
    assert parse_uri(workload.uri) == workload


@given(
    st.from_regex(
        r"(spiffe://)?[a-zA-Z0-9./%_-]{0,12}/?(agent|server|worker|x)?/?[a-zA-Z0-9./%_-]{0,12}", fullmatch=True
    )
)
def test_a_name_has_one_spelling(uri: str) -> None:
    try:
        workload = parse_uri(uri)
    except ValueError:
        return
    assert workload.uri == uri
