"""A real HTTP server that receives webhooks, behaves as a test wants, and remembers what came."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Received:
    """One request: its path, its headers with lower-case names, and its exact body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server on loopback.

    Attributes:
        port: Where it listens.
        requests: What came, in order.
        behaviour: How it answers from now on.
    """

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    behaviour: Behaviour = field(default=lambda handler: answer(handler, 204))

    @property
    def url(self) -> str:
        """An address of it."""
        return f"http://127.0.0.1:{self.port}/hooks/falaj"


def answer(handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
    """Answer with a status and without a body."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@contextmanager
def receiving(chain: Path | None = None) -> Iterator[Receiver]:
    """Let a receiver listen.

    Args:
        chain: PEM file with the key and the certificate of one that speaks TLS.
    """
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            receiver.requests.append(
                Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            try:
                receiver.behaviour(self)
            except OSError:
                self.close_connection = True  # the sender had enough of it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - senders that break off are the tests' purpose
    if chain is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certified(folder: Path, name: str) -> Path:
    """A PEM file with a key and the certificate that it signed for a name."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    tls_certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "chain.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + tls_certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
