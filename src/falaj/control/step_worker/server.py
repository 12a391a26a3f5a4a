"""The server as a machine of an executor sees it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeVar

import httpx
import msgspec

from falaj.build.pipeline.receipt import StepReceipt
from falaj.control.step_worker.errors import OrderGoneError, ServerAwayError
from falaj.schemas.executors import ArtifactAccess, LeasedOrder, ObjectAccess
from falaj.supply_chain.artifacts.transfer import ObjectGrant
from falaj.supply_chain.encryption.stream import ObjectKey

T = TypeVar("T")
_CHUNK = 1 << 20
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
Clock = Callable[[], float]


class OrderServer:
    """Asks the server about orders.

    Args:
        http: Client of the server, with the machine's certificate.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def claim(self, cpu: float, memory_bytes: int) -> LeasedOrder | None:
        """Take an order that fits; None when there was none for some 20 s.

        Raises:
            ServerAwayError: The server does not answer.
            OrderGoneError: This machine may not ask.
        """
        answer = self._ask("POST", "/claim", json={"cpu": cpu, "memory_bytes": memory_bytes})
        return msgspec.convert(answer.json(), LeasedOrder | None)

    def order(self, leased: LeasedOrder) -> HeldOrder:
        """What can be asked about an order that this machine holds."""
        return HeldOrder(self, leased)

    def ask(self, method: str, path: str, lease: str, **request: Any) -> httpx.Response:
        """Ask once, as the holder of a lease; see `claim` for the errors."""
        return self._ask(method, path, headers={"x-falaj-lease": lease}, **request)

    def stream(self, path: str, lease: str) -> Iterator[bytes]:
        """Fetch bytes; see `claim` for the errors."""
        url, headers = f"/api/v1/step-orders{path}", {"x-falaj-lease": lease}
        try:
            with self._http.stream("GET", url, headers=headers) as answer:
                if answer.is_error:
                    answer.read()
                    _refuse(answer)
                yield from answer.iter_raw(_CHUNK)
        except httpx.HTTPError as error:
            raise ServerAwayError(f"the server does not answer: {error}", where=url) from error

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        url = f"/api/v1/step-orders{path}"
        try:
            answer = self._http.request(method, url, **request)
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed by another thread
            raise ServerAwayError(f"the server does not answer: {error}", where=url) from error
        if answer.is_error:
            _refuse(answer)
        return answer


class HeldOrder:
    """One order that this machine holds.

    Args:
        server: Is asked.
        leased: The order and its lease.
    """

    def __init__(self, server: OrderServer, leased: LeasedOrder) -> None:
        self._server, self._leased = server, leased
        self._path = f"/{leased.key}"

    def renew(self) -> bool:
        """Hold it for longer; False where its step shall stop."""
        return str(self._ask("POST", "/renew").json()["state"]) == "leased"

    def output(self, text: str) -> bool:
        """Pass on what the step printed; False where it was dropped."""
        return bool(self._ask("POST", "/output", json={"text": text}).json())

    def grants(self, digest: str) -> list[ObjectGrant]:
        """The objects of an artifact that it names."""
        access = msgspec.convert(self._ask("GET", f"/artifacts/{digest}").json(), ArtifactAccess)
        return [ObjectGrant(each.name, each.size, _key(each)) for each in access.objects]

    def fetch(self, digest: str, name: str) -> Iterator[bytes]:
        """An object of an artifact that it names, as it lies in the store."""
        return self._server.stream(f"{self._path}/artifacts/{digest}/objects/{name}", self._leased.lease)

    def send(self, name: str, file: BinaryIO) -> None:
        """Send an object of an output, encrypted as the lease asks for, from the beginning of its file."""
        file.seek(0)
        self._ask("PUT", f"/objects/{name}", content=iter(lambda: file.read(_CHUNK), b""))

    def settle(self, receipt: StepReceipt) -> None:
        """Say what came of it."""
        self._ask("POST", "/receipt", json=msgspec.to_builtins(receipt))

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self._server.ask(method, self._path + path, self._leased.lease, **request)


def patiently(what: Callable[[], T], until: float, pause: Callable[[float], bool], now: Clock = time.monotonic) -> T:
    """Ask again while the server is away, more and more rarely.

    Args:
        what: Asks once.
        until: When to give up, by `now`.
        pause: Waits so many seconds; True where there is no point any more.
        now: Seconds that never go back.

    Raises:
        ServerAwayError: It was away until then.
    """
    wait_s = _PAUSE_S
    while True:
        try:
            return what()
        except ServerAwayError:
            if now() + wait_s > until or pause(wait_s):
                raise
            wait_s = min(_LONGEST_PAUSE_S, 2 * wait_s)


def _key(access: ObjectAccess) -> ObjectKey | None:
    return ObjectKey(access.tenant, base64.b64decode(access.key)) if access.key else None


def _refuse(answer: httpx.Response) -> None:
    """Raise what an error of the server means: refusals are for good, all others may pass."""
    try:
        problem = answer.json()
        text = f"{problem['code']}: {problem['title']}"
    except (ValueError, KeyError, TypeError):
        text = answer.text[:200]
    kind = OrderGoneError if 400 <= answer.status_code < 500 and answer.status_code != 429 else ServerAwayError
    raise kind(f"the server answered {answer.status_code} ({text})", where=str(answer.request.url.path))
