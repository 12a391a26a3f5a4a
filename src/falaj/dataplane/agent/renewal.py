"""The agent's certificate is renewed halfway through its life, while everything goes on."""

from __future__ import annotations

import logging
import threading
import time

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from falaj.core.errors import FalajError
from falaj.dataplane.agent.agent_identity import Membership
from falaj.dataplane.agent.server_errors import ask
from falaj.dataplane.errors import LocationRefusedError
from falaj.supply_chain.certificates import workload_certificates as certificates

_RETURN = "/api/v1/workloads/return"
_RETRY_S = 5.0
_SHORTEST_PAUSE_S = 0.2
_log = logging.getLogger(__name__)


class RenewedTransport(httpx.BaseTransport):
    """The way to the server with the newest certificate; requests that are under way keep theirs.

    Args:
        member: The location.
        lasting: Whether connections are used again until there is a newer certificate.
    """

    def __init__(self, member: Membership, *, lasting: bool = False) -> None:
        self._member, self._lasting = member, lasting
        self._inner = member.transport(lasting=lasting)

    def reload(self) -> None:
        """Show the certificate that is held now. What is under way on connections before it ends there."""
        self._inner = self._member.transport(lasting=self._lasting)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close what is in use."""
        self._inner.close()


class Renewal:
    """Keeps the certificate of a location fresh.

    Args:
        member: The location.
        transport: Is told of new certificates.
    """

    def __init__(self, member: Membership, transport: RenewedTransport) -> None:
        self._member, self._transport = member, transport

    def run(self, stopping: threading.Event) -> None:
        """Renew now, and then each time that half of a certificate's life is over, until asked to stop."""
        pause_s = 0.0
        while not stopping.wait(pause_s):
            pause_s = self._turn()

    def _turn(self) -> float:
        """Renew once; how long to wait until the next time, in seconds."""
        try:
            self.renew()
        except FalajError as error:
            _log.warning("certificate.not-renewed reason=%s", error)
            left_s = self._member.certified_until() - time.time()
            return min(_RETRY_S, max(_SHORTEST_PAUSE_S, left_s / 4))
        left_s = self._member.certified_until() - time.time()
        _log.info("certificate.renewed left_s=%.0f", left_s)
        return max(_SHORTEST_PAUSE_S, left_s / 2)

    def renew(self) -> None:
        """Get a new certificate: with the present one, or when that has run out, with the key that it was for.

        Raises:
            FalajError: The server does not answer, or refuses.
        """
        if time.time() < self._member.certified_until():
            self._with_certificate()
        else:
            self._with_key()
        self._transport.reload()

    def _with_certificate(self) -> None:
        with self._member.client(self._member.transport()) as http:
            self._certify(http, self._member.renewal_path, self._member.next_key())

    def _with_key(self) -> None:
        """Ask with the next key first: it may have been certified in an answer that never arrived."""
        with self._member.client(self._member.transport(certified=False)) as http:
            try:
                self._certify(http, _RETURN, self._member.next_key())
            except LocationRefusedError:
                self._certify(http, _RETURN, self._member.key())

    def _certify(self, http: httpx.Client, path: str, key: ec.EllipticCurvePrivateKey) -> None:
        answer = ask(http, "POST", path, {"request": certificates.make_request(key)})
        self._member.install(key, answer["certificate"], time.time())
