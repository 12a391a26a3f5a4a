"""The certificate that the door of a location shows: files of the machine, or one of the internal authority."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from falaj.core.errors import FalajError
from falaj.dataplane.background import Background
from falaj.dataplane.callers import Door
from falaj.dataplane.errors import LocationError
from falaj.dataplane.runtimes.process.gateway import GatewayCertificate
from falaj.supply_chain.attestations.keys import replace_private
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import key_pem

FILE = "door.pem"
_LOOK_S = 1.0
_AGAIN_S = 15.0
_log = logging.getLogger(__name__)

Issue = Callable[[str], str]
"""From a request for a certificate to the certificate, both in PEM."""


class DoorCertificate:
    """What a gateway's door shows.

    Args:
        folder: Of the location; key and certificate of the internal authority lie there.
        issue: Asks the control plane, which knows by which names the location is reached.
        clock: Unix time.
    """

    def __init__(self, folder: Path, issue: Issue, clock: Callable[[], float] = time.time) -> None:
        self._file, self._issue, self._clock = folder / FILE, issue, clock
        self._read: dict[Path, tuple[tuple[int, int], str]] = {}

    def current(self, door: Door) -> GatewayCertificate | None:
        """The certificate of a door; None while there is none for its names, or its files cannot be read."""
        if door.tls == "off":
            return None
        if door.tls == "files":
            chain, key = self._text(Path(door.cert)), self._text(Path(door.key))
            return GatewayCertificate(chain, key) if chain and key else None
        text = self._text(self._file)
        end = text.find("-----BEGIN CERTIFICATE-----")
        return (
            GatewayCertificate(text[end:], text[:end]) if end > 0 and _is_for(door, text[end:], self._clock()) else None
        )

    def renew(self, door: Door) -> bool:
        """Ask for a new one halfway through its life, or when the door has other names; tell whether one came.

        Raises:
            LocationError: The control plane does not answer, or refuses.
        """
        text = self._text(self._file)
        chain = text[text.find("-----BEGIN CERTIFICATE-----") :] if text else ""
        if door.tls != "internal-ca" or (_is_for(door, chain, self._clock()) and not _is_old(chain, self._clock())):
            return False
        key = certificates.new_key()
        issued = self._issue(certificates.make_request(key))
        if x509.load_pem_x509_certificate(issued.encode()).public_key() != key.public_key():
            raise LocationError("the control plane sent a certificate for another key")
        replace_private(self._file, key_pem(key) + issued.encode())
        return True

    def _text(self, path: Path) -> str:
        """A file, read again when it is another one."""
        try:
            status = path.stat()
            cached, mark = self._read.get(path), (status.st_mtime_ns, status.st_ino)
            if cached is None or cached[0] != mark:
                cached = self._read[path] = mark, path.read_text()
        except (OSError, UnicodeDecodeError):
            return ""
        return cached[1]


def keep_certified(certificate: DoorCertificate, door: Callable[[], Door | None]) -> Background:
    """What an agent does beside everything else: keep the certificate of its door fresh.

    Args:
        certificate: What is kept.
        door: The door that is wanted now.
    """

    def run(stopping: threading.Event) -> None:
        pause_s = 0.0
        while not stopping.wait(pause_s):
            pause_s = _turn(certificate, door())

    return run


def _turn(certificate: DoorCertificate, door: Door | None) -> float:
    try:
        if door is not None and certificate.renew(door):
            _log.info("door.certified names=%s", ",".join(door.names))
    except (FalajError, OSError, ValueError) as error:
        _log.warning("door.not-certified reason=%s", error)
        return _AGAIN_S
    return _LOOK_S


def _is_for(door: Door, chain: str, now: float) -> bool:
    """Whether a certificate names what the door is called, and holds."""
    try:
        certificate = x509.load_pem_x509_certificate(chain.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    valid_names = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return {*door.names} <= valid_names and now < certificate.not_valid_after_utc.timestamp()


def _is_old(chain: str, now: float) -> bool:
    certificate = x509.load_pem_x509_certificate(chain.encode())
    begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return now > (begin + end) / 2
