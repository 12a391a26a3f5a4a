"""Switch an endpoint between two releases under load, and count the requests that failed.

    python benchmarks/serving/switches.py [--switches 1000] [--threads 4]

Prints one JSON object: switches, requests, failed, and how long a confirmed switch took. A switch is the whole ordered
update: clusters with both releases, wait until Envoy shows them, routes, clusters without the old release.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from falaj.dataplane.runtimes.process.gateway import Gateway
from falaj.dataplane.runtimes.process.routing import TOTAL_WEIGHT, Arm, Route, RoutingTable
from falaj.dataplane.runtimes.process.runtime import LocationFolders

REPLICA = """
import sys
from pathlib import Path
from granian import Granian
from granian.constants import Interfaces

async def application(scope, protocol):
    protocol.response_str(200, [("content-type", "text/plain")], sys.argv[2])

def load(_):
    return application

if __name__ == "__main__":
    Granian("replica", uds=Path(sys.argv[1]), interface=Interfaces.RSGI, log_enabled=False).serve(target_loader=load)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--switches", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-") as folder, ExitStack() as stack:
        place = LocationFolders(Path(folder) / "location", Path(folder) / "logs")
        place.sockets.mkdir(parents=True)
        gateway = Gateway(place.layout, place.logs / "envoy.log", port=free_port(), node_id="benchmark")
        gateway.ensure()
        stack.callback(gateway.process.stop)
        tables = [table_of(stack.enter_context(replica(place, number))) for number in (1, 2)]
        result = measure(gateway, tables, options.switches, options.threads)
    print(json.dumps(result, indent=2))
    return 1 if result["failed"] else 0


def measure(gateway: Gateway, tables: list[RoutingTable], switches: int, threads: int) -> dict[str, object]:
    gateway.apply(tables[0])
    request_counts, failed, stop = [0] * threads, [0] * threads, threading.Event()

    def ask(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        while not stop.is_set():
            request_counts[number] += 1
            try:
                connection.request("GET", "/dev/m/v2")
                answer = connection.getresponse()
                answer.read()
                failed[number] += answer.status != 200
            except OSError:
                failed[number] += 1
                connection.close()
        connection.close()

    load = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for thread in load:
        thread.start()
    took = [switch(gateway, tables[number % 2]) for number in range(1, switches + 1)]
    stop.set()
    for thread in load:
        thread.join()
    quantiles = statistics.quantiles(took, n=100)
    return {
        "switches": switches, "requests": sum(request_counts), "failed": sum(failed),
        "switch_ms": {"p50": round(quantiles[49], 1), "p99": round(quantiles[98], 1)},
    }  # fmt: skip


def switch(gateway: Gateway, table: RoutingTable) -> float:
    started = time.perf_counter()
    gateway.apply(table)
    return (time.perf_counter() - started) * 1000


def table_of(arm: Arm) -> RoutingTable:
    return RoutingTable({arm.name: arm}, {"dev/m": Route("dev/m", {arm.name: TOTAL_WEIGHT})})


@contextmanager
def replica(place: LocationFolders, number: int) -> Iterator[Arm]:
    script = place.folder / "replica.py"
    script.write_text(REPLICA)
    path = place.sockets / f"{number}.sock"
    process = subprocess.Popen([sys.executable, str(script), str(path), f"m@{number}"])
    try:
        while not path.exists():
            assert process.poll() is None, "the replica did not start"
            time.sleep(0.01)
        yield Arm(f"dev/m@{number}", f"m@{number}", (str(path),))
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
