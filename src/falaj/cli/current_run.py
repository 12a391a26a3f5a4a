"""Which run a person means who stands in a project's folder and says `last`."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from falaj.build.pipeline.node_files import step_log
from falaj.cli.connection import open_client
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.schemas import api

if TYPE_CHECKING:
    from falaj.sdk import Client

LAST = "last"


@dataclass(frozen=True)
class NamedRun:
    """A run and where it is kept.

    Attributes:
        run: The run.
        client: Asks the server; None for a run without one.
    """

    run: api.Run
    client: Client | None

    def log(self, node: str) -> str:
        """What a step printed."""
        if self.client is not None:
            return self.client.log(self.run.id, node)
        file = step_log(Home.from_environment().run_dir(self.run.id), node)
        return file.read_text(errors="replace") if file.is_file() else ""


def named_run(run_id: str, folder: Path) -> NamedRun:
    """The run of an id; for `last` the newest of the project in a folder, with a server or without.

    Args:
        run_id: An id, the beginning of one, or `last`.
        folder: Where the person stands.

    Raises:
        FalajError: There is none, or the server that would know cannot be asked.
    """
    local = last_local(Home.from_environment(), folder) if run_id == LAST else None
    try:
        client = open_client()
        server_run = client.run(run_id if run_id != LAST else _last(client, folder))
    except FalajError:
        if local is None:
            raise
        return NamedRun(local, None)
    return NamedRun(local, None) if local and local.created_at > server_run.created_at else NamedRun(server_run, client)


def last_local(home: Home, folder: Path) -> api.Run | None:
    """The newest run of a folder that ended without a server; None when there is none."""
    place = str(folder.resolve())
    for file in sorted(home.root.glob(home.run_record("*").relative_to(home.root).as_posix()), reverse=True):
        run = api.decode(api.Run, json.loads(file.read_bytes()))  # ids are in the order of time
        if run.project == place:
            return run
    return None


def _last(client: Client, folder: Path) -> str:
    """Id of the newest run of the project whose repository a folder is, or is pushed to; of all where there is none."""
    places = {str(folder.resolve()), *_remotes(folder)}
    names = [project.name for project in client.projects() if project.repository in places]
    newest = [run for name in names for run in client.runs(name, 1)]
    return max(newest, key=lambda run: run.created_at).id if newest else LAST


def _remotes(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "config", "--get-regexp", r"^remote\..*\.url$"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # without git there are no remotes
        return []
    return [line.partition(" ")[2] for line in process.stdout.splitlines()]
