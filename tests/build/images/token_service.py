"""A token service as registries have them: it gives a user with a password a short token for what it asks for."""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

USER, PASSWORD = "ci", "correct horse"


@dataclass(frozen=True)
class TokenService:
    """Where it answers, and the settings of a registry that believes it."""

    url: str
    certificate: Path
    scopes: list[str]

    @property
    def settings(self) -> dict[str, str]:
        prefix = "REGISTRY_AUTH_TOKEN"
        return {
            "REGISTRY_AUTH": "token", f"{prefix}_REALM": self.url, f"{prefix}_SERVICE": "registry",
            f"{prefix}_ISSUER": "tests", f"{prefix}_ROOTCERTBUNDLE": str(self.certificate),
        }  # fmt: skip


@contextmanager
def run_token_service(folder: Path) -> Iterator[TokenService]:
    """Run one in a thread."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = _certificate(key, folder / "issuer.pem")
    scopes: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {login}":
                self.send_error(401)
                return
            scope = parse_qs(urlsplit(self.path).query)["scope"][0]
            scopes.append(scope)
            body = json.dumps({"token": _token(key, der, scope)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield TokenService(f"http://127.0.0.1:{server.server_port}/token", folder / "issuer.pem", scopes)
        finally:
            server.shutdown()
            thread.join()


def _certificate(key: ec.EllipticCurvePrivateKey, path: Path) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate.public_bytes(serialization.Encoding.DER)


def _token(key: ec.EllipticCurvePrivateKey, der: bytes, scope: str) -> str:
    kind, name, actions = scope.split(":", 2)
    now = int(time.time())
    access = [{"type": kind, "name": name, "actions": actions.split(",")}]
    claims = {
        "iss": "tests", "sub": USER, "aud": "registry", "exp": now + 300, "nbf": now - 300, "iat": now, "jti": "1",
        "access": access,
    }  # fmt: skip
    header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
