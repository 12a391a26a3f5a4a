"""How an agent comes in: it knows the authority by its fingerprint, and spends a one-time token for a certificate."""

from __future__ import annotations

import hmac
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509

from falaj.dataplane.agent.agent_identity import Membership, begin, settle, settled_with
from falaj.dataplane.agent.server_errors import ask
from falaj.supply_chain.attestations.keyring import TRUSTED
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.errors import AuthorityError
from falaj.supply_chain.certificates.names import WorkloadKind

_AUTHORITY, _ENROL = "/api/v1/workloads/authority", "/api/v1/workloads/enrol"


def enrol(
    place: Path,
    keys: Path,
    location: str,
    url: str,
    token: str,
    fingerprint: str,
    part: WorkloadKind = WorkloadKind.AGENT,
) -> Membership:
    """Enrol a location or a machine; the token goes to nobody but the server whose authority has this fingerprint.

    With the token that brought it in already nothing is done, so that a service may be started by the same command.

    Args:
        place: The folder of the location.
        keys: Folder of `trusted.json`. Where there is none, the keys that the installation believes are taken over,
            this once; later it is for people to change it.
        location: Name of the location.
        url: Base URL of the server's port for agents, `https://host:port`.
        token: One-time token of `falaj location enroll`.
        fingerprint: SHA-256 of the authority's certificate in hex.
        part: What is enrolled.

    Raises:
        AuthorityError: The server belongs to another authority (`workload.authority`).
        LocationError: The server cannot be reached, or refuses the token.
    """
    if membership := settled_with(place, location, token, part):
        return membership
    authority = _authority(url, fingerprint)
    member = begin(place, location, url, authority, part)
    key = member.next_key()
    payload = {"token": token, "location": location, "request": certificates.make_request(key)}
    with member.client(member.transport(certified=False)) as http:
        answer = ask(http, "POST", _ENROL, payload)
    member.install(key, answer["certificate"], time.time())
    _believe(keys, answer["trusted"])
    return settle(member, token)


def _authority(url: str, fingerprint: str) -> str:
    """Fetch the authority's certificate from whoever answers, and believe it by its fingerprint alone."""
    unknown = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unknown.minimum_version = ssl.TLSVersion.TLSv1_3
    unknown.check_hostname, unknown.verify_mode = False, ssl.CERT_NONE  # nothing secret is sent on this connection
    with httpx.Client(base_url=url, verify=unknown, trust_env=False) as http:
        pem = str(ask(http, "GET", _AUTHORITY)["certificate"])
    try:
        actual = certificates.fingerprint(x509.load_pem_x509_certificate(pem.encode()))
    except ValueError as error:
        raise AuthorityError("what answers sent no certificate", where=url) from error
    expected = fingerprint.replace(":", "").lower()
    if not hmac.compare_digest(actual.encode(), expected.encode()):
        hint = "the token was not sent; falaj location enroll NAME shows the right fingerprint"
        raise AuthorityError(f"the server's authority has the fingerprint {actual}", where=url, hint=hint)
    return pem


def _believe(keys: Path, trusted: Any) -> None:
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (keys / TRUSTED).exists():
        (keys / TRUSTED).write_text(str(trusted))
