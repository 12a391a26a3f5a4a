"""X.509 certificates of workloads: made, asked for, and checked (pure: keys, time and serial numbers are arguments).

P-256 and not Ed25519, because proxies such as Envoy and most hardware know only the former. A certificate carries
exactly one URI, which is its only identity; subject and other names identify nobody.
Source: RFC 5280; SPIFFE X.509-SVID, sections 3 to 5.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from falaj.supply_chain.certificates.errors import PeerRefusedError, RequestRefusedError
from falaj.supply_chain.certificates.names import Workload, WorkloadKind, parse_uri

PublicKey = ec.EllipticCurvePublicKey
BACKDATED_S = 60.0
"""How far a clock may be behind the issuer's."""

_MAX_REQUEST_BYTES = 8192


@dataclass(frozen=True)
class Validity:
    """From when until when, unix seconds; certificates know whole seconds."""

    begin: float
    end: float


@dataclass(frozen=True)
class Peer:
    """What a checked certificate proves.

    Args:
        workload: Who holds the key.
        serial: Serial number in hex, unique under the authority.
        issued_at: Unix seconds.
        expires_at: Unix seconds.
    """

    workload: Workload
    serial: str
    issued_at: float
    expires_at: float


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a private key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(
    key: ec.EllipticCurvePrivateKey, trust_domain: str, serial: int, validity: Validity
) -> x509.Certificate:
    """Make the certificate of an authority, which signs itself and signs no other authority.

    Args:
        key: The authority's.
        trust_domain: What it speaks for.
        serial: Positive, at most 159 bits.
        validity: Of the certificate.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Falaj {trust_domain}")])
    uri = x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")
    builder = _builder(name, name, key.public_key(), serial, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(key_id, critical=False).sign(key, hashes.SHA256())


def issue(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    holder: ec.EllipticCurvePublicKey,
    workload: Workload,
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """Make the certificate of a workload: servers answer with it, all others ask with it, and neither does both.

    Args:
        authority: Who issues it.
        key: The authority's.
        holder: The workload's public key.
        workload: Whose certificate it is.
        serial: Positive, at most 159 bits, not used before.
        validity: Of the certificate.
    """
    serves = workload.part is WorkloadKind.SERVER
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(workload.uri)]
    names += [x509.DNSName(workload.dns_name)] if serves else []
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CLIENT_AUTH
    return _leaf(authority, key, holder, names, purpose, serial, validity)


def _leaf(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    holder: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """A certificate that signs no other; what it is good for and whose it is, is all that it says."""
    builder = _builder(x509.Name([]), authority.subject, holder, serial, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(issuer_id, critical=False).sign(key, hashes.SHA256())


def issue_caller(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    holder: ec.EllipticCurvePublicKey,
    uri: str,
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """Make the certificate of a caller of endpoints; it is no workload's, and opens nothing but an endpoint.

    Args:
        authority: Who issues it.
        key: The authority's.
        holder: The caller's public key.
        uri: Its name.
        serial: Positive, at most 159 bits, not used before.
        validity: Of the certificate.
    """
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    return _leaf(authority, key, holder, names, ExtendedKeyUsageOID.CLIENT_AUTH, serial, validity)


def issue_gateway(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    holder: ec.EllipticCurvePublicKey,
    names: Sequence[str],
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """Make the certificate that a door shows to callers, who know it by names and addresses.

    Args:
        authority: Who issues it.
        key: The authority's.
        holder: The public key of who serves there.
        names: Host names and IP addresses.
        serial: Positive, at most 159 bits, not used before.
        validity: Of the certificate.
    """
    return _leaf(authority, key, holder, [*map(_host_name, names)], ExtendedKeyUsageOID.SERVER_AUTH, serial, validity)


def pem_of(certificate: x509.Certificate) -> str:
    """A certificate as files hold it."""
    return certificate.public_bytes(Encoding.PEM).decode()


def _host_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def make_request(key: ec.EllipticCurvePrivateKey) -> str:
    """Ask for a certificate (PKCS#10, RFC 2986): it names nobody, it proves that the asker has the key.

    Returns:
        PEM.
    """
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def requested_key(pem: str) -> ec.EllipticCurvePublicKey:
    """Return the key that a request proves the possession of; whatever else it asks for is not looked at.

    Raises:
        RequestRefusedError: It is no request, is not signed by its own key, or the key is not P-256.
    """
    if len(pem) > _MAX_REQUEST_BYTES:
        raise RequestRefusedError("this request for a certificate is too long")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key, proven = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise RequestRefusedError("this is not a request for a certificate in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefusedError("certificates are issued for P-256 keys alone")
    if not proven:
        raise RequestRefusedError("the request is not signed by its own key")
    return key


def check_peer(der: bytes, authority: x509.Certificate, trust_domain: str, now: float) -> Peer:
    """Say whose certificate a peer presented, and believe nothing that is not exactly as `issue` makes it.

    TLS has checked before that the peer holds the key.

    Args:
        der: The peer's certificate.
        authority: The only issuer that is believed; there are no intermediate ones.
        trust_domain: The only one that is believed.
        now: Unix seconds.

    Raises:
        PeerRefusedError: Something about it is not as it must be; says what (`workload.certificate`).
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(authority)
        _require_purpose(certificate)
        workload = parse_uri(_only_uri(certificate))
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise PeerRefusedError(f"the certificate is not one of this installation: {error!r}") from error
    begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    if not begin <= now < end:
        raise PeerRefusedError("the certificate has expired, or is not valid yet", where=workload.uri)
    if workload.trust_domain != trust_domain:
        raise PeerRefusedError("the certificate is for another trust domain", where=workload.uri)
    return Peer(workload, serial_text(certificate.serial_number), min(begin + BACKDATED_S, now), end)


def trust_domain_of(authority: x509.Certificate) -> str:
    """Return what an authority speaks for.

    Raises:
        ValueError: The certificate is not one of `make_authority`.
    """
    uri, ca = _only_uri(authority), authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    if not ca:
        raise ValueError("this is not a certificate of an authority")
    return Workload(uri.removeprefix("spiffe://"), WorkloadKind.SERVER).trust_domain


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in hex, as `openssl x509 -fingerprint -sha256` shows it with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def key_digest(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of a public key's DER form, in hex."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def serial_text(serial: int) -> str:
    """Return a serial number in hex, as it is stored and shown."""
    return f"{serial:040x}"


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, serial: int, validity: Validity
) -> x509.CertificateBuilder:
    begin, end = (datetime.fromtimestamp(int(at), UTC) for at in (validity.begin, validity.end))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(serial).not_valid_before(begin).not_valid_after(end)


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=certificates, crl_sign=certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _require_purpose(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise ValueError("an authority is not a workload")
    purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    if purposes != {ExtendedKeyUsageOID.CLIENT_AUTH}:
        raise ValueError("it is not made for clients")
    if not extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
        raise ValueError("its key may not sign")


def _only_uri(certificate: x509.Certificate) -> str:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or len(list(names)) != 1:
        raise ValueError("it must have exactly one name, a URI")
    return uris[0]
