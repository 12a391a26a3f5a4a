"""Runs an agent with stand-in replicas, as a process of its own that tests may kill."""

import json
import logging
import sys
from pathlib import Path

from falaj.errors import FalajError
from falaj.locations import agent
from tests.locations.conftest import stub_command

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO)
    try:
        agent.run(Path(options.pop("home")), **options, command=stub_command)
    except FalajError as error:
        sys.exit(f"{error.code}: {error}")
