"""A real OpenBao with a key-value engine and a role that reads one folder of it; import the fixture where needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from falaj.config.secret_stores import SecretStoreSpec
from tests.servers import free_ports
from tests.waiting import until

ROOT_TOKEN = "only-for-tests"
POLICY = 'path "kv/data/falaj/*" { capabilities = ["read"] }'


@dataclass
class Bao:
    """The server, as its administrator sees it."""

    url: str
    role: str = ""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = httpx.request(method, f"{self.url}/v1/{path}", headers={"X-Vault-Token": ROOT_TOKEN}, json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    def write(self, path: str, **values: Any) -> None:
        self.ask("POST", f"kv/data/{path}", {"data": values})

    def secret_id(self) -> str:
        return str(self.ask("POST", "auth/approle/role/falaj/secret-id")["data"]["secret_id"])

    @property
    def spec(self) -> SecretStoreSpec:
        return SecretStoreSpec("corp", "vault", self.url, role=self.role, secret="VAULT_SECRET_ID")


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A server in memory, which ends with the tests of a module."""
    folder = tmp_path_factory.mktemp("bao")
    (port,) = free_ports(1)
    command = [
        str(Path(sys.executable).parent / "bao"), "server", "-dev", "-dev-no-store-token",
        f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)})
    try:
        server = Bao(f"http://127.0.0.1:{port}")
        until(lambda: process.poll() is not None or _is_up(server), lambda: (folder / "log").read_text())
        _prepare(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _is_up(server: Bao) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{server.url}/v1/sys/health").status_code == 200
    return False


def _prepare(server: Bao) -> None:
    server.ask("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    server.ask("POST", "sys/auth/approle", {"type": "approle"})
    server.ask("PUT", "sys/policies/acl/falaj", {"policy": POLICY})
    server.ask("POST", "auth/approle/role/falaj", {"token_policies": "falaj", "token_ttl": "60s"})
    server.role = str(server.ask("GET", "auth/approle/role/falaj/role-id")["data"]["role_id"])
