"""The embedded certificate authority of an installation: one file with its key and its certificate."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from falaj.supply_chain.attestations.keys import create_once
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.errors import AuthorityError
from falaj.supply_chain.certificates.names import Workload, WorkloadKind, caller_uri
from falaj.supply_chain.certificates.workload_certificates import BACKDATED_S, Peer, Validity

FILE = "ca.pem"
LIFE_S = 600.0
"""How long the certificate of a workload is valid."""

DOOR_LIFE_S = 30 * 86_400.0
"""How long the certificate of a door is valid; callers on other machines may be told of it by hand."""

_YEAR_S = 365.25 * 86_400
_AUTHORITY_LIFE_S = 10 * _YEAR_S
_SERIAL_BITS = 128


@dataclass(frozen=True)
class CertificateAuthority:
    """Issues the certificates of an installation and knows them again.

    Args:
        certificate: Its own.
        key: Of that certificate.
        life_s: How long the certificates that it issues are valid, in seconds.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    life_s: float = LIFE_S

    @cached_property
    def trust_domain(self) -> str:
        """What it speaks for."""
        return certificates.trust_domain_of(self.certificate)

    @property
    def pem(self) -> str:
        """Its certificate, for those who are to believe it."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """What people compare: SHA-256 of its certificate, in hex."""
        return certificates.fingerprint(self.certificate)

    def issue(self, holder: ec.EllipticCurvePublicKey, workload: Workload, now: float) -> x509.Certificate:
        """Issue a certificate to whoever has the key of `holder`; who that is was found out before."""
        serial = secrets.randbits(_SERIAL_BITS) | 1
        validity = Validity(now - BACKDATED_S, now + self.life_s)
        return certificates.issue(self.certificate, self.key, holder, workload, serial, validity)

    def issue_server(self, now: float) -> bytes:
        """Make a key and a certificate for the server itself.

        Returns:
            PEM of both, as `ssl.SSLContext.load_cert_chain` reads it.
        """
        key = certificates.new_key()
        issued = self.issue(key.public_key(), Workload(self.trust_domain, WorkloadKind.SERVER), now)
        return key_pem(key) + issued.public_bytes(Encoding.PEM)

    def issue_door(self, holder: ec.EllipticCurvePublicKey, names: Sequence[str], now: float) -> x509.Certificate:
        """Issue what callers know a door by."""
        validity = Validity(now - BACKDATED_S, now + DOOR_LIFE_S)
        serial = secrets.randbits(_SERIAL_BITS) | 1
        return certificates.issue_gateway(self.certificate, self.key, holder, names, serial, validity)

    def issue_caller(self, holder: ec.EllipticCurvePublicKey, caller: str, now: float, until: float) -> str:
        """Issue what a caller of an endpoint shows, in PEM.

        Args:
            holder: The caller's key, whose possession it has proven.
            caller: Its pseudonym.
            now: Unix seconds.
            until: End of its life, unix seconds.
        """
        uri, serial = caller_uri(self.trust_domain, caller), secrets.randbits(_SERIAL_BITS) | 1
        validity = Validity(now - BACKDATED_S, until)
        return certificates.pem_of(certificates.issue_caller(self.certificate, self.key, holder, uri, serial, validity))

    def check(self, der: bytes, now: float) -> Peer:
        """Say whose certificate a peer presented.

        Raises:
            PeerRefusedError: It is none of this authority's that holds now.
        """
        return certificates.check_peer(der, self.certificate, self.trust_domain, now)


def open_authority(folder: Path, now: Callable[[], float], life_s: float = LIFE_S) -> CertificateAuthority:
    """Open the authority of an installation; it is made the first time.

    Its trust domain is drawn at random then, so that no two installations believe each other's certificates by
    accident.

    Args:
        folder: `keys/` of the installation.
        now: The clock, unix seconds.
        life_s: How long the certificates that it issues are valid, in seconds.

    Raises:
        AuthorityError: The file holds something else (`workload.authority`).
        EvidenceError: Others may read it (`evidence.key`).
    """
    content = create_once(folder / FILE, lambda: _new_authority(now()))
    try:
        key = load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
        certificates.trust_domain_of(certificate)
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise AuthorityError("this file holds no certificate authority", where=str(folder / FILE)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityError("key and certificate do not belong together", where=str(folder / FILE))
    return CertificateAuthority(certificate, key, life_s)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as files hold it (PKCS#8, in the clear: the file's mode protects it)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _new_authority(now: float) -> bytes:
    key = certificates.new_key()
    validity = Validity(now - BACKDATED_S, now + _AUTHORITY_LIFE_S)
    trust_domain = f"falaj-{secrets.token_hex(8)}"
    certificate = certificates.make_authority(key, trust_domain, secrets.randbits(_SERIAL_BITS) | 1, validity)
    return key_pem(key) + certificate.public_bytes(Encoding.PEM)
