"""A real installation in a scratch home, driven through the command line as its user would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.sdk import Client, Endpoint
from falaj.sdk.endpoint_address import own_token
from tests.waiting import HANGS_AFTER_S, until

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = "FALAJ_TESTS_ENVIRONMENTS"
"""Variable that names where the homes of a test session keep the environments of projects."""
Completed = subprocess.CompletedProcess[str]
_GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "Aisha", "GIT_AUTHOR_EMAIL": "aisha@example.org",
    "GIT_COMMITTER_NAME": "Aisha", "GIT_COMMITTER_EMAIL": "aisha@example.org",
}  # fmt: skip


@dataclass(frozen=True)
class Installation:
    """A home and the commands on it."""

    home: Path
    ports: tuple[int, int]

    def opened(self, url: str) -> Endpoint:
        """An endpoint as the SDK opens it for who owns this home; its name is the path of its URL."""
        name = urlsplit(url).path.strip("/")
        return Endpoint(url, token=lambda: own_token(name, Home(self.home, {})))

    @property
    def environment(self) -> dict[str, str]:
        cache = os.environ.get("UV_CACHE_DIR", str(ROOT / ".cache" / "uv"))
        own = {
            "FALAJ_HOME": str(self.home),
            "FALAJ_CREDENTIALS": str(self.home.with_name("people")),
            "UV_CACHE_DIR": cache,
        }
        return {**os.environ, **_GIT_IDENTITY, **own}

    def falaj(self, *arguments: str, cwd: Path | None = None, stdin_text: str = "") -> Completed:
        """Run the command and give back what it printed, whatever its exit code."""
        command = [sys.executable, "-m", "falaj.cli.main", *arguments]
        return subprocess.run(
            command, cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False,
            input=stdin_text,
        )  # fmt: skip

    def ok(self, *arguments: str, cwd: Path | None = None, stdin_text: str = "") -> str:
        """Run the command, which must succeed."""
        process = self.falaj(*arguments, cwd=cwd, stdin_text=stdin_text)
        assert process.returncode == 0, (
            f"falaj {' '.join(arguments)}: {process.stdout}\n{process.stderr}\n{self.logs()}"
        )
        return process.stdout

    def json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.ok(*arguments, "--json"))

    def up(self) -> None:
        self.ok("up", "--port", str(self.ports[0]), "--gateway-port", str(self.ports[1]))

    def down(self) -> None:
        self.ok("down")

    def pid(self, part: str) -> int:
        """Process id of a supervised part, or of the supervisor."""
        state = json.loads((self.home / "supervisor.json").read_text())
        return int(state["pid"] if part == "supervisor" else state["parts"][part]["pid"])

    def kill(self, part: str) -> int:
        """kill -9 of a part; return the id it had."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    def git(self, *arguments: str, cwd: Path) -> str:
        process = subprocess.run(
            ["git", *arguments], cwd=cwd, env=self.environment, capture_output=True, text=True, check=True
        )
        return process.stdout.strip()

    def repository(self, folder: Path, name: str) -> Path:
        """Make the folder a git repository that pushes to the installation; nothing is committed yet."""
        remote = self.json("project", "add", name)["repository"]
        self.git("init", "-q", "-b", "main", cwd=folder)
        self.git("remote", "add", "falaj", remote, cwd=folder)
        return folder

    def template(self, folder: Path) -> Path:
        """The project of `falaj init`, locked; its packages come from uv's cache, or once from the index."""
        import uv

        self.ok("init", str(folder))
        environment = {**self.environment, "UV_PROJECT_ENVIRONMENT": str(folder.with_name(f"{folder.name}-venv"))}
        environment.pop("VIRTUAL_ENV", None)
        sync = [uv.find_uv_bin(), "sync", "--quiet", "--no-install-project"]
        offline = subprocess.run([*sync, "--offline"], cwd=folder, env=environment, capture_output=True, check=False)
        if offline.returncode != 0:
            subprocess.run(sync, cwd=folder, env=environment, check=True)
        return folder

    def plain_template(self, folder: Path) -> Path:
        """The same project with the checks that a release needs at least, for tests of what comes after a run."""
        spec = self.template(folder) / "falaj.yaml"
        text = spec.read_text()
        spec.write_text(text.replace("[static, tests, secrets, model-files]", "[model-files]"))
        assert spec.read_text() != text
        return folder

    def push(self, folder: Path, message: str = "Change") -> str:
        """Commit everything and push; return the commit."""
        self.git("add", "-A", cwd=folder)
        self.git("commit", "-q", "-m", message, cwd=folder)
        self.git("push", "-q", "falaj", "main", cwd=folder)
        return self.git("rev-parse", "HEAD", cwd=folder)

    def run_of(self, commit: str) -> dict[str, Any] | None:
        """The run of a commit; None while there is none or the server is being restarted (exit code 6).

        Asks without a command, which would take half of a core while the run needs all of them.
        """
        home = Home(self.home, {})
        try:
            runs = Client(home.server_url, home.token).runs(limit=100)
        except FalajError as error:
            if error.exit_code != 6:
                raise
            return None
        return next((asdict(run) for run in runs if run.commit == commit), None)

    def ended(self, commit: str) -> dict[str, Any]:
        """Wait for the run of a commit to end; return it with its steps."""
        ends = ("succeeded", "failed", "rejected", "cancelled")
        run: dict[str, Any] = until(
            lambda: run if (run := self.run_of(commit)) and run["state"] in ends else None, self.logs
        )
        shown: dict[str, Any] = self.json("run", "show", run["id"])
        return shown

    def logs(self) -> str:
        """The ends of the processes' logs, for a failing test."""
        logs = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def share_environments(home: Path) -> None:
    """Make a home whose environments of projects are those of the test session.

    One is built once for each lock anyway, and the libraries in it would be compiled anew for each home.
    """
    home.mkdir(exist_ok=True)
    home.joinpath("envs").symlink_to(os.environ[ENVIRONMENTS], target_is_directory=True)


@contextmanager
def installed(home: Path) -> Iterator[Installation]:
    """A running installation that is stopped at the end."""
    share_environments(home)
    installation = Installation(home, (free_port(), free_port()))
    installation.up()
    try:
        yield installation
    finally:
        installation.falaj("down")


def processes_of(home: Path) -> dict[int, str]:
    """Every process on this machine that belongs to a home, by its environment: id to command line.

    Code of projects has a home of its own below the installation's.
    """
    commands = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environ = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            marks = (f"FALAJ_HOME={home}".encode(), f"HOME={home}/".encode())
            if command and any(item == marks[0] or item.startswith(marks[1]) for item in environ):
                commands[int(folder.name)] = command
    return commands
