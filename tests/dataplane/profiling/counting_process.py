"""An agent's thread of profiles in a process of its own, to be killed: `python -m ... FOLDER`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.dataplane.profiling.scene import Scene, reference


def main(folder: Path) -> None:
    """Look and report without a pause; each report is a line of a file, written before it is called told."""
    scene = Scene(folder, reference(), now=time.time())
    profiling = scene.open()
    with (folder / "told.jsonl").open("a") as log_file:

        def take(message: Mapping[str, Any]) -> None:
            log_file.write(json.dumps(message) + "\n")
            log_file.flush()

        profiling._send = take
        (folder / "started").touch()
        while True:
            profiling.look()
            profiling.report()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
