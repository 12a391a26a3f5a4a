"""Runs an agent with stand-in replicas, as a process of its own that tests may kill."""

import json
import logging
import sys
from pathlib import Path

from falaj.core.errors import FalajError
from falaj.dataplane import agent
from falaj.dataplane.runtimes.process.replica import ReplicaOptions
from tests.dataplane.conftest import stub_command

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO)
    behaviour: dict[str, list[str]] = options.pop("behaviour")

    def command(replica: ReplicaOptions) -> list[str]:
        """The stand-in of a release, and what it does wrong."""
        return stub_command(replica, *behaviour.get(str(replica.servable.endpoint.release), ()))

    try:
        agent.run(Path(options.pop("home")), **options, command=command)
    except FalajError as error:
        sys.exit(f"{error.code}: {error}")
