"""Move the traffic of an endpoint between two releases under load, and count what failed and what the log says of it.

    python benchmarks/rollouts/traffic.py [--changes 1000] [--kills 6] [--clients 4]

Real model servers (a small ONNX model, two replicas a release) behind a real Envoy; the clients are processes of their
own. Prints one JSON object: requests and failed ones over random weight changes, over changes of sticky units and
mirrors, and while all replicas of a release are killed; whether every line of the access log holds the weight that its
request met; throughput beside a mirror that is stopped; how fast the log is read.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from falaj.dataplane.access_log import Access, AccessLog, Position
from falaj.dataplane.desired_state import DesiredEndpoint, EndpointState, Servable
from falaj.dataplane.runtimes.process.replica import ReplicaCommand, ReplicaRecords, modelserver_command
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import TOTAL_WEIGHT, Traffic
from falaj.supply_chain.artifacts.digest import parse_digest

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}]}).encode()
MLMODEL = """
flavors: {onnx: {}}
signature: {inputs: '[{"type": "double", "name": "x", "required": true}]'}
"""
SERVING = {"flavor": "onnx", "answer": "prediction", "outputs": {"prediction": "y"}, "layout": "matrix"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-") as folder:
        location = Location.start(Path(folder), options.clients)
        try:
            result = {
                "weights": location.change_weights(options.changes),
                "sticky_and_mirrors": location.change_everything(options.changes // 5),
                "killed": location.kill_arms(options.kills),
                "stopped_mirror": location.stop_a_mirror(),
                "log": location.read_log(),
            }
        finally:
            location.runtime.stop()
    print(json.dumps(result, indent=2))
    return 1 if any(part.get("failed") or part.get("untrue") for part in result.values()) else 0


@dataclass
class Counted:
    """What clients saw: answers by status and answering release."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.answers.values())

    @property
    def failed(self) -> int:
        return sum(count for what, count in self.answers.items() if not what.startswith("200"))


@dataclass
class Location:
    """The endpoint `dev/m` with releases 1 and 2, or several of the kind whose clients are the same."""

    runtime: ProcessRuntime
    servables: list[Servable]
    log: AccessLog
    clients: int
    models: tuple[str, ...] = ("m",)

    @classmethod
    def start(
        cls,
        folder: Path,
        clients: int,
        command: ReplicaCommand = modelserver_command,
        models: tuple[str, ...] = ("m",),
    ) -> Location:
        place = LocationFolders(folder / "location", folder / "logs")
        servables = [
            servable(make_model(folder / f"{model}-{release}", release), release, model)
            for model in models
            for release in (1, 2)
        ]
        runtime = ProcessRuntime(place, port=free_port(), command=command)
        location = cls(runtime, servables, AccessLog(place.layout.access_log), clients, models)
        all_stable = {f"dev/{model}": Traffic({1: TOTAL_WEIGHT}) for model in models}
        statuses = runtime.settle(servables, all_stable, timeout_s=120)
        assert all(status.state is EndpointState.READY for status in statuses), statuses
        return location

    def steer(self, candidate: int, *, only: int | None = None, **more: Any) -> None:
        """Share the requests; `only` keeps just the servers of that release."""
        shares = Traffic({1: TOTAL_WEIGHT - candidate, 2: candidate}, candidate=2, **more)
        if only is not None:
            shares = Traffic({only: TOTAL_WEIGHT})
        self.runtime.converge([s for s in self.servables if only in (None, s.endpoint.release)], {"dev/m": shares})

    def change_weights(self, changes: int) -> dict[str, Any]:
        """Random weights; every line must hold the weight that chose its release."""
        choose, took = random.Random(0), []
        self.steer(1)
        begin = self.log.end()
        with self.load() as counted:
            for _ in range(changes):
                started = time.perf_counter()
                self.steer(choose.randint(1, TOTAL_WEIGHT - 1))
                took.append(time.perf_counter() - started)
        lines = self.lines(begin, counted.total)
        surprise = sum((line.release == 2) - line.weight / TOTAL_WEIGHT for line in lines)
        spread = sum(line.weight * (TOTAL_WEIGHT - line.weight) / TOTAL_WEIGHT**2 for line in lines)
        return {
            "changes": changes, "requests": counted.total, "failed": counted.failed, "lines": len(lines),
            "weights_seen": len({line.weight for line in lines}),
            "canary_share_in_standard_errors_from_the_logged_weights": round(surprise / math.sqrt(spread), 2),
            "untrue": int(abs(surprise) > 4 * math.sqrt(spread)) + abs(len(lines) - counted.total),
            "p99_over_p50_of_a_change": round(statistics.quantiles(took, n=100)[98] / statistics.median(took), 1),
        }  # fmt: skip

    def change_everything(self, changes: int) -> dict[str, Any]:
        """Weights from 0 to all, sticky units and mirrors that come and go: clusters change as well as routes."""
        choose = random.Random(1)
        with self.load() as counted:
            for _ in range(changes):
                candidate = choose.choice([0, 1, 500, 5_000, TOTAL_WEIGHT])
                self.steer(candidate, sticky=choose.choice([None, "x-unit"]), mirrors=choose.choice([{}, {2: 0.5}]))
        return {"changes": changes, "requests": counted.total, "failed": counted.failed}

    def kill_arms(self, kills: int) -> dict[str, Any]:
        """Kill every replica of one release, wait as long as an agent sleeps, let it notice, and start again."""
        self.steer(TOTAL_WEIGHT // 2)
        begin = self.log.end()
        with self.load() as counted:
            for number in range(kills):
                self.kill(1 + number % 2)
                time.sleep(0.25)
                self.until(lambda states: all(state is EndpointState.READY for state in states))
                time.sleep(1.0)
        lines = self.lines(begin, counted.total)
        helped = sum(line.failed_over for line in lines)
        return {"kills": kills, "requests": counted.total, "failed": counted.failed, "answered_by_the_other": helped}

    def stop_a_mirror(self) -> dict[str, Any]:
        """Throughput beside a mirror whose replicas are stopped, over throughput without a mirror."""
        self.steer(0)
        pairs = []
        for _ in range(3):
            alone = self.rate()
            self.steer(0, mirrors={2: 1.0})
            for process in self.processes(2):
                os.kill(process, signal.SIGSTOP)
            pairs.append(self.rate() / alone)
            for process in self.processes(2):
                os.kill(process, signal.SIGCONT)
            self.steer(0)
        return {"throughput_over_without": [round(pair, 2) for pair in sorted(pairs)]}

    def read_log(self) -> dict[str, Any]:
        """Lines a second of the reader, over the standard library's parser."""
        text = self.log.path.read_bytes()
        started = time.perf_counter()
        lines = [json.loads(line) for line in text.splitlines()]
        plain = time.perf_counter() - started
        started = time.perf_counter()
        log_lines, _ = self.log.read(limit=1 << 30)
        ours = time.perf_counter() - started
        return {
            "lines": len(log_lines),
            "times_faster_than_json": round(plain / len(lines) / (ours / len(log_lines)), 1),
        }

    def rate(self) -> float:
        with self.load() as counted:
            time.sleep(2.0)
        assert counted.failed == 0
        return counted.total / counted.seconds

    def lines(self, begin: Position | None, count: int) -> list[Access]:
        """The log lines since a place, at least as many as there were requests."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            log_lines, _ = self.log.read(begin, 1 << 30)
            if len(log_lines) >= count:
                return log_lines
            time.sleep(0.1)
        return log_lines

    def until(self, condition: Callable[[list[EndpointState]], bool]) -> None:
        deadline = time.monotonic() + 60
        while True:
            states = [status.state for status in self.runtime.converge(self.servables, self.shared())]
            if condition(states):
                return
            assert time.monotonic() < deadline, states
            time.sleep(0.05)

    def shared(self) -> dict[str, Traffic]:
        return {"dev/m": Traffic({1: TOTAL_WEIGHT // 2, 2: TOTAL_WEIGHT // 2}, candidate=2)}

    def processes(self, release: int) -> list[int]:
        records = ReplicaRecords(self.runtime.gateway.layout.root.parent / "replicas")
        return [r.process.pid for r in records if r.process and r.slot.release == f"m@{release}"]

    def kill(self, release: int) -> None:
        for process in self.processes(release):
            os.kill(process, signal.SIGKILL)

    @contextmanager
    def load(self, rate: float = 0.0) -> Iterator[Counted]:
        """Clients that ask while the block runs, without a pause or so often a second; counted when it has ended."""
        context = multiprocessing.get_context("spawn")
        end, results = context.Event(), context.Queue()
        pause = self.clients / rate if rate else 0.0
        ports = [self.runtime.gateway.port] * self.clients
        arguments = [(port, number, end, results, pause, self.models) for number, port in enumerate(ports)]
        processes = [context.Process(target=ask_on, args=each) for each in arguments]
        for process in processes:
            process.start()
        for _ in processes:
            results.get()  # it begins
        counted, started = Counted(), time.perf_counter()
        yield counted
        counted.seconds = time.perf_counter() - started
        end.set()
        for _ in processes:
            counted.answers += results.get()
        for process in processes:
            process.join()


def ask_on(
    port: int,
    number: int,
    end: Event,
    results: multiprocessing.Queue[Any],
    pause_s: float = 0.0,
    models: tuple[str, ...] = ("m",),
) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    counts: Counter[str] = Counter()
    results.put(number)
    due = time.monotonic()
    while not end.is_set():
        due = max(due + pause_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()) if pause_s else 0)
        headers = {"content-type": "application/json", "x-unit": f"{number}-{counts.total() % 100}"}
        try:
            model = models[counts.total() % len(models)]
            connection.request("POST", f"/dev/{model}/v2/models/{model}/infer", BODY, headers)
            answer = connection.getresponse()
            answer.read()
            counts[f"{answer.status} {answer.getheader('falaj-release')}"] += 1
        except (OSError, HTTPException) as error:
            counts[f"! {error!r}"] += 1
            connection.close()
    connection.close()
    results.put(counts)


def servable(model_dir: Path, release: int, model: str = "m") -> Servable:
    digest = parse_digest("sha256:" + f"{release:064x}")
    return Servable(DesiredEndpoint("dev", model, release, digest, replicas=2), model_dir)


def make_model(folder: Path, release: int) -> Path:
    """A packaged model folder whose predictions are the number of the release."""
    from onnx import TensorProto, checker, helper, save

    folder.mkdir()
    zero = helper.make_tensor("zero", TensorProto.DOUBLE, [1], [0.0])
    number = helper.make_tensor("number", TensorProto.DOUBLE, [1], [float(release)])
    nodes = [helper.make_node("Mul", ["x", "zero"], ["nothing"]), helper.make_node("Add", ["nothing", "number"], ["y"])]
    shape = ["rows", 1]
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name in "xy")
    graph = helper.make_graph(nodes, "constant", [x], [y], [zero, number])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, str(folder / "model.onnx"))
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "serving.json").write_text(json.dumps(SERVING))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
