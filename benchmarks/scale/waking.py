"""How long the first answer of a sleeping endpoint takes, and whether a burst loses any.

    python benchmarks/scale/waking.py [--rounds 7] [--burst 100]

The real model server with a small ONNX model behind the real Envoy; passes are made every 50 ms, as those of an agent
with something to do are made every 100. Seconds are from the request to its answer, so that they hold for this
machine and its other work alone.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.dataplane.conftest import free_port
from tests.dataplane.constant_model import make_model
from tests.waiting import until

from falaj.dataplane.desired_state import DesiredEndpoint, ReplicaRange, Servable
from falaj.dataplane.runtimes.process.replica import ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.supply_chain.artifacts import parse_digest

_IDLE_S = 1e6
_BODY = json.dumps({"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}).encode()


class Location:
    """A location with one endpoint, whose clock is moved to make it sleep."""

    def __init__(self, root: Path) -> None:
        self.ahead, self.port, self._end = 0.0, free_port(), threading.Event()
        self.place = LocationFolders(root / "location", root / "logs")
        self.runtime = ProcessRuntime(self.place, port=self.port, clock=lambda: time.time() + self.ahead)
        endpoint = DesiredEndpoint("dev", "m", 1, parse_digest("sha256:" + "1" * 64))
        servable = Servable(endpoint, make_model(root / "model", 7.0))
        self.servables = [replace(servable, endpoint=replace(endpoint, scale=ReplicaRange(0, 4, _IDLE_S)))]
        self.ready, self.passes = 0, 0
        self._wake = threading.Event()
        self.runtime.activator.on_held = self._wake.set
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._end.is_set():
            self.ready = self.runtime.converge(self.servables)[0].replicas_ready
            self.passes += 1
            self._wake.wait(0.05)
            self._wake.clear()

    def sleep(self) -> None:
        """Let it sleep, and wait until no process is left."""
        until(lambda: self.ready == 1)
        before = self.passes  # the last request has to be seen before the clock is moved, not after it
        until(lambda: self.passes >= before + 3)
        self.ahead += 2 * _IDLE_S
        records = ReplicaRecords(self.place.folder / "replicas")
        until(lambda: not any(each.process for each in records))

    def ask(self) -> int:
        """Predict; returns the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", "/dev/m/invocations", _BODY, {"content-type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status

    def stop(self) -> None:
        """End everything."""
        self._end.set()
        self._thread.join()
        self.runtime.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--burst", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        location = Location(Path(scratch))
        try:
            firsts = []
            for _ in range(options.rounds):
                location.sleep()
                start = time.perf_counter()
                assert location.ask() == 200
                firsts.append(time.perf_counter() - start)
            location.sleep()
            statuses: Counter[int] = Counter()
            threads = [threading.Thread(target=lambda: statuses.update([location.ask()])) for _ in range(options.burst)]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            burst_s = time.perf_counter() - start
        finally:
            location.stop()
    print(f"zero to first answer: median {statistics.median(firsts):.2f} s, longest {max(firsts):.2f} s")
    print(f"{options.burst} requests at once from zero: {dict(statuses)}, the last after {burst_s:.2f} s")


if __name__ == "__main__":
    main()
