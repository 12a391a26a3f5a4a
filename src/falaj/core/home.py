"""Where an installation keeps its files, and the few settings that turn the embedded parts into scaled ones."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DEFAULT_SERVER_PORT = 8470
DEFAULT_GATEWAY_PORT = 8480


@dataclass(frozen=True)
class Home:
    """The folder of one installation. Nothing is created until `prepare` is called.

    Args:
        root: Absolute path of the folder.
        settings: Environment variables; `FALAJ_DATABASE_URL`, `FALAJ_STORE` and `FALAJ_MLFLOW_URI` select scaled parts.
    """

    root: Path
    settings: Mapping[str, str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """The home that `FALAJ_HOME` names, by default `~/.falaj`."""
        root = Path(environ.get("FALAJ_HOME") or Path.home() / ".falaj").expanduser().absolute()
        return cls(root, environ)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the control plane's database."""
        return self.settings.get("FALAJ_DATABASE_URL") or f"sqlite:///{self.root / 'falaj.db'}"

    @property
    def store_url(self) -> str:
        """URL of the artifact store, as `falaj.supply_chain.artifacts.open_store` reads it."""
        return self.settings.get("FALAJ_STORE") or str(self.root / "store")

    @property
    def mlflow_uri(self) -> str:
        """MLflow tracking and registry URI."""
        return self.settings.get("FALAJ_MLFLOW_URI") or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where the embedded MLflow keeps the artifacts of its runs."""
        return self.root / "mlflow"

    @property
    def keys(self) -> Path:
        """Signing keys, readable by the owner alone."""
        return self.root / "keys"

    @property
    def repos(self) -> Path:
        """Bare repositories: remotes that users push to, and mirrors of remotes elsewhere."""
        return self.root / "repos"

    @property
    def logs(self) -> Path:
        """One file per supervised process."""
        return self.root / "logs"

    @property
    def plan_cache(self) -> Path:
        """Parsed project files, by the digest of their bytes."""
        return self.root / "cache" / "projects"

    def run_dir(self, run_id: str) -> Path:
        """The scratch folder of one run: worktree, logs, step folders."""
        return self.root / "runs" / run_id

    def run_record(self, run_id: str) -> Path:
        """What stays of a run that was made without a server, as JSON."""
        return self.run_dir(run_id) / "run.json"

    def location_dir(self, location: str) -> Path:
        """What the agent of a location keeps: desired state, sockets, prediction log."""
        return self.root / "locations" / location

    @property
    def _ports_file(self) -> Path:
        return self.root / "ports.json"

    @cached_property
    def token(self) -> str:
        """The bearer token of this installation, made at first use and readable by the owner alone."""
        return _token(self.root / "token")

    def proof(self, nonce: str) -> str:
        """What only this installation can answer to a nonce: it shows the token to nobody who does not have it."""
        return hmac.new(self.token.encode(), f"falaj-installation {nonce}".encode(), "sha256").hexdigest()

    def prepare(self) -> Home:
        """Create the folders that every process expects, for their owner alone; return self."""
        for folder in (self.root, self.keys, self.repos, self.logs, self.root / "runs"):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self.keys):
            folder.chmod(0o700)
        return self

    def ports(self) -> dict[str, int]:
        """The ports that this installation listens on: `server`, `envoy`, and `agents` where that one is open."""
        defaults = {"server": DEFAULT_SERVER_PORT, "gateway": DEFAULT_GATEWAY_PORT}
        if self._ports_file.exists():
            defaults.update(json.loads(self._ports_file.read_text()))
        return defaults

    def save_ports(self, ports: Mapping[str, int]) -> None:
        """Remember the ports, so that every command of this home finds the platform."""
        temporary = self._ports_file.with_suffix(".new")
        temporary.write_text(json.dumps(dict(ports)))
        temporary.replace(self._ports_file)

    @property
    def public_url(self) -> str:
        """Base URL at which browsers reach the server, `FALAJ_PUBLIC_URL`; logins and security keys are bound to it."""
        return (self.settings.get("FALAJ_PUBLIC_URL") or f"http://localhost:{self.ports()['server']}").rstrip("/")

    @property
    def ui_url(self) -> str:
        """Where browsers find the web UI: `FALAJ_PUBLIC_URL`, or a host of its own on this machine.

        Cookies do not know ports: at `localhost` the session would be sent to every service of this machine.
        """
        local_url = f"http://falaj.localhost:{self.ports()['server']}"
        return (self.settings.get("FALAJ_PUBLIC_URL") or local_url).rstrip("/")

    @property
    def oidc_secret(self) -> Path:
        """The platform's own secret at the identity provider, where it has one; readable by the owner alone."""
        return self.root / "oidc-secret"

    @property
    def server_url(self) -> str:
        """Base URL of the server's REST API, or what `FALAJ_SERVER` says."""
        return self.settings.get("FALAJ_SERVER") or f"http://127.0.0.1:{self.ports()['server']}"


def _token(path: Path) -> str:
    """A secret of its own file, made at first use and readable by the owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(32))
        try:
            os.link(fresh, path)  # fails if another process was first, so both read the same token
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()
