"""`python -m falaj.dataplane.model_server`: the command line of one replica."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falaj.dataplane.prediction_log import LogKey

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, fix the number of threads, and serve.

    Args:
        arguments: Command line without the program; the process's own when None.

    Returns:
        The process's exit status.
    """
    options = _parser().parse_args(arguments)
    # Numerical libraries read these when they are imported, so they are set before anything imports NumPy.
    # Left unset, every library starts a thread per core of the machine and CPU per request doubles.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(options.threads)))
    if options.site is not None:
        from falaj.dataplane.model_server.launch import add_site

        add_site(options.site)
    from falaj.dataplane.model_server.predictor import BatchLimits
    from falaj.dataplane.model_server.server import serve
    from falaj.dataplane.model_server.settings import ServerSettings

    return serve(
        ServerSettings(
            model=options.model,
            socket=options.socket,
            name=options.name,
            version=options.version,
            endpoint=options.endpoint,
            log=options.log,
            log_key=None if options.log_key_fd is None else _received(options.log_key_fd),
            threads=options.threads,
            limits=BatchLimits(options.batch_rows, options.queue_rows, options.deadline_ms / 1000),
            max_body_bytes=options.max_body_mb << 20,
            grace_s=options.grace_s,
            recalibration=options.recalibration,
            listen=options.listen,
            recalibration_key=bytes.fromhex(options.recalibration_key),
        )
    )


def _received(descriptor: int) -> LogKey:
    """The key of the prediction log; it comes on a pipe, for arguments and variables can be read by others."""
    from falaj.dataplane.prediction_log import LogKey

    with open(descriptor, "rb") as pipe:
        return LogKey.from_bytes(pipe.read())


def _address(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    if not address or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT")
    return address, int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("falaj.dataplane.model_server", description="Serve one release.")
    add = parser.add_argument
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", type=Path, help="path of the Unix socket")
    place.add_argument(
        "--listen", type=_address, default=("", 0), metavar="ADDRESS:PORT", help="in a container: a port"
    )
    add("--model", type=Path, required=True, help="MLflow model folder")
    add("--name", required=True, help="model name")
    add("--version", required=True, help="release number")
    add("--endpoint", required=True, help="environment/model")
    add("--log", type=Path, help="folder of the prediction log")
    add("--log-key-fd", type=int, help="descriptor of the pipe that gives the key of the prediction log")
    add("--threads", type=int, default=1, help="threads of one model call")
    add("--site", type=Path, help="site-packages to append when another environment's Python runs this")
    add("--batch-rows", type=int, default=256, help="most rows of one model call")
    add("--queue-rows", type=int, default=8192, help="most rows that wait")
    add("--deadline-ms", type=int, default=10_000, help="longest time to an answer")
    add("--max-body-mb", type=int, default=32, help="longest request body in MiB")
    add("--grace-s", type=float, default=10.0, help="longest wait for what is in flight at the end")
    add("--recalibration", type=Path, help="file that says by what answers are moved; it may be missing")
    add("--recalibration-key", default="", help="public key of the location that signs it, in hex")
    return parser


if __name__ == "__main__":
    sys.exit(main())
