"""What the agent of an enrolled location holds: key and certificate, and the authority by which it knows the server.

Nothing of it is shared with anyone: the key is made here and never leaves, and the authority was compared with the
fingerprint that an administrator handed over.
"""

from __future__ import annotations

import hashlib
import shutil
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from falaj.dataplane.runtimes.process.files import read_json, write_json
from falaj.supply_chain.attestations.keys import create_once, replace_private
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import key_pem
from falaj.supply_chain.certificates.errors import AuthorityError
from falaj.supply_chain.certificates.names import Workload, WorkloadKind

FOLDER = "membership"
"""In the folder of a location."""

_TIMEOUT_S = 30.0  # the server answers a long poll after 20 s
_ALWAYS_ANEW = httpx.Limits(max_keepalive_connections=0)  # so that every request shows the present certificate


@dataclass(frozen=True)
class Membership:
    """The files of an enrolled location, or of an enrolled machine of an executor.

    Args:
        folder: Holds `server.json`, `ca.crt`, `agent.pem` (key and certificate) and, while a certificate is being
            asked for, `next.pem` (its key).
        location: Name of the location, or of the machine.
        url: Base URL of the server's port for agents.
        part: What it is.
    """

    folder: Path
    location: str
    url: str
    part: WorkloadKind = WorkloadKind.AGENT

    @cached_property
    def authority(self) -> x509.Certificate:
        """Who signs the certificates of the server and of this agent.

        Raises:
            AuthorityError: The file is damaged.
        """
        path = self.folder / "ca.crt"
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise AuthorityError("the authority's certificate cannot be read", where=str(path)) from error

    @cached_property
    def workload(self) -> Workload:
        """The name in this agent's certificates."""
        return Workload(certificates.trust_domain_of(self.authority), self.part, self.location)

    @property
    def renewal_path(self) -> str:
        """Where the server renews its certificate."""
        if self.part is WorkloadKind.EXECUTOR:
            return "/api/v1/executors/machines/certificate"
        return f"/api/v1/locations/{self.location}/certificate"

    @property
    def server_name(self) -> str:
        """What the server's certificate must say, whatever address it is reached at."""
        return Workload(self.workload.trust_domain, WorkloadKind.SERVER).dns_name

    def key(self) -> ec.EllipticCurvePrivateKey:
        """The key that is certified now."""
        return _private_key(self._pair)

    def next_key(self) -> ec.EllipticCurvePrivateKey:
        """The key that is to be certified next; the same one until it is, however often the agent starts anew."""
        create_once(self._next, lambda: key_pem(certificates.new_key()))
        return _private_key(self._next)

    def certified_until(self) -> float:
        """When the present certificate ends, unix seconds."""
        return x509.load_pem_x509_certificate(self._pair.read_bytes()).not_valid_after_utc.timestamp()

    def install(self, key: ec.EllipticCurvePrivateKey, pem: str, now: float) -> None:
        """Keep a certificate that the server sent.

        Args:
            key: The key that it was asked for.
            pem: The certificate.
            now: Unix seconds.

        Raises:
            AuthorityError: It is for another key or name; nothing was changed.
            PeerRefusedError: It is not signed by the authority, or does not hold now.
        """
        certificate = x509.load_pem_x509_certificate(pem.encode())
        der = certificate.public_bytes(Encoding.DER)
        peer = certificates.check_peer(der, self.authority, self.workload.trust_domain, now)
        if peer.workload != self.workload or certificate.public_key() != key.public_key():
            raise AuthorityError("the server sent a certificate for another key or location", where=peer.workload.uri)
        replace_private(self._pair, key_pem(key) + pem.encode())
        self._next.unlink(missing_ok=True)

    def client(self, transport: httpx.BaseTransport) -> httpx.Client:
        """Make a client of the server."""
        return httpx.Client(base_url=self.url, transport=transport, timeout=_TIMEOUT_S)

    def transport(self, *, certified: bool = True, lasting: bool = False) -> httpx.BaseTransport:
        """Make the way to the server: it believes the authority alone, and shows the certificate that is held now.

        Args:
            certified: Whether the certificate is shown.
            lasting: Whether connections are used again, for who sends much within the life of a certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=self.authority.public_bytes(Encoding.PEM).decode())
        if certified:
            context.load_cert_chain(self._pair)
        limits = httpx.Limits() if lasting else _ALWAYS_ANEW
        return _ServerNamed(httpx.HTTPTransport(verify=context, limits=limits, trust_env=False), self.server_name)

    @property
    def _pair(self) -> Path:
        return self.folder / "agent.pem"

    @property
    def _next(self) -> Path:
        return self.folder / "next.pem"


def membership_of(place: Path, location: str, part: WorkloadKind = WorkloadKind.AGENT) -> Membership | None:
    """The membership of a location's folder; None when it was never enrolled.

    Args:
        place: The folder of the location.
        location: Its name.
        part: What it is.
    """
    folder = place / FOLDER
    match read_json(folder / "server.json"):
        case {"url": str(url)} if (folder / "agent.pem").exists():
            return Membership(folder, location, url, part)
        case _:
            return None


def begin(
    place: Path, location: str, url: str, authority_pem: str, part: WorkloadKind = WorkloadKind.AGENT
) -> Membership:
    """Begin a membership beside the one that there may be, which holds until `settle`."""
    folder = place / f"{FOLDER}.new"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "ca.crt").write_text(authority_pem)
    return Membership(folder, location, url, part)


def settle(begun: Membership, token: str) -> Membership:
    """Put a membership that is complete in the place of the one before.

    Args:
        begun: It has a certificate.
        token: What it was enrolled with; only its digest is kept.
    """
    final = begun.folder.with_name(FOLDER)
    write_json(begun.folder / "server.json", {"url": begun.url, "token": _digest(token)})
    shutil.rmtree(final, ignore_errors=True)
    begun.folder.rename(final)
    return Membership(final, begun.location, begun.url, begun.part)


def settled_with(place: Path, location: str, token: str, part: WorkloadKind = WorkloadKind.AGENT) -> Membership | None:
    """The membership that this token brought, so that the same command can be given again."""
    server_info = read_json(place / FOLDER / "server.json") or {}
    return membership_of(place, location, part) if server_info.get("token") == _digest(token) else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class _ServerNamed(httpx.BaseTransport):
    """Asks the server for the name that its certificate must carry, instead of the host in the address."""

    def __init__(self, inner: httpx.BaseTransport, name: str) -> None:
        self._inner, self._name = inner, name

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": self._name}
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise AuthorityError("this file holds no private key", where=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError("this file holds no P-256 key", where=str(path))
    return key
