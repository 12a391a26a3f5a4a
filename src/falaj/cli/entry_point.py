"""Where the command `falaj` begins: it says in one line when the packages of the control plane are not installed."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line, which needs the extra `server`."""
    try:
        from falaj.cli.main import main as run

        run()
    except ModuleNotFoundError as error:
        if os.environ.get("FALAJ_DEBUG") or (error.name or "").partition(".")[0] == "falaj":
            raise
        message = f"error: falaj needs '{error.name}', which is not installed: pip install 'falaj[server]'"
        print(message, file=sys.stderr)  # noqa: T201 - nothing else may be importable
        sys.exit(2)


if __name__ == "__main__":
    main()
