"""Rows a second of serving each family of models, beside other model servers and the bare library.

    python benchmarks/models/peers/install.py PEERS
    python benchmarks/models/serving.py PEERS [--rounds 5] [--seconds 2] [--rows 1 32] [--families linear boosting ...]

Falaj is asked through its own gateway (a real Envoy), with the prediction log on and one replica; the peers are asked
directly, one worker each, with a server as their documentation writes one and the same estimator. All run at once and
are asked in turn, with the same rows; only who is asked has something to do. *Bare* is the library in one process,
called with tables of as many rows: the limit. A ratio is of the medians over the rounds; the interval is that of 1,000
resamples of the rounds. Needs `wrk`.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from families import COLUMNS, FAMILIES

from falaj.dataplane.desired_state import DesiredEndpoint, EndpointState, Servable
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import TOTAL_WEIGHT, Traffic
from falaj.supply_chain.artifacts.digest import parse_digest

HERE = Path(__file__).parent
CONNECTIONS = 16
READY_WITHIN_S = 300.0
RESAMPLES = 1000


@dataclass(frozen=True)
class Contender:
    """Who is asked.

    Attributes:
        name: As the table shows it.
        url: Where.
        open_inference: Whether it takes the Open Inference Protocol in place of MLflow's body.
        process: Its process; None for Falaj, whose replicas are found below this one.
    """

    name: str
    url: str
    open_inference: bool = False
    process: subprocess.Popen[bytes] | None = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rows_of(count: int) -> list[list[float]]:
    return [[(7 * row + 3 * column) % 11 / 10 for column in range(len(COLUMNS))] for row in range(count)]


def body(count: int, *, open_inference: bool) -> bytes:
    data = rows_of(count)
    if not open_inference:
        return json.dumps({"dataframe_split": {"columns": COLUMNS, "data": data}}).encode()
    inputs = [
        {"name": name, "shape": [count, 1], "datatype": "FP64", "data": [row[index] for row in data]}
        for index, name in enumerate(COLUMNS)
    ]
    return json.dumps({"inputs": inputs, "parameters": {"content_type": "pd"}}).encode()


def falaj(folder: Path, family: Path, running: ExitStack) -> Contender:
    """The packaged model behind the gateway of a location, with its log."""
    endpoint = DesiredEndpoint("bench", "m", 1, parse_digest("sha256:" + "1" * 64), replicas=1)
    port = free_port()
    runtime = ProcessRuntime(LocationFolders(folder / "location", folder / "logs"), port=port)
    running.callback(runtime.stop)
    split = {"bench/m": Traffic({1: TOTAL_WEIGHT})}
    statuses = runtime.settle([Servable(endpoint, family / "packaged")], split, timeout_s=READY_WITHIN_S)
    if any(status.state is not EndpointState.READY for status in statuses):
        raise SystemExit(f"falaj is not ready: {statuses}")
    return Contender("falaj", f"http://127.0.0.1:{port}/bench/m/invocations")


def peer_commands(peers: Path, family: Path, scratch: Path) -> dict[str, Callable[[int], list[str]]]:
    """Command of each peer that is installed, by its port."""
    pickled = str(family / "estimator.pkl")

    def python(name: str) -> str:
        return str(peers / name / "bin" / "python")

    def mlserver(port: int) -> list[str]:
        settings = {"name": "m", "implementation": "mlserver_model.Model"}
        (scratch / "model-settings.json").write_text(json.dumps(settings))
        listening = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                     "parallel_workers": 0}  # fmt: skip
        (scratch / "settings.json").write_text(json.dumps(listening))
        return [str(peers / "mlserver/bin/mlserver"), "start", str(scratch)]

    commands: dict[str, Callable[[int], list[str]]] = {
        "mlflow": lambda port: [
            python("mlflow"), "-m", "mlflow", "models", "serve", "-m", str(family / "model"), "--env-manager", "local",
            "--workers", "1", "-p", str(port),
        ],
        "litserve": lambda port: [python("litserve"), str(HERE / "peers/litserve_server.py"), str(port), pickled],
        "mlserver": mlserver,
        "bentoml": lambda port: [
            str(peers / "bentoml/bin/bentoml"), "serve", "bentoml_service:Model", "--host", "127.0.0.1", "-p",
            str(port),
        ],
    }  # fmt: skip
    return {name: command for name, command in commands.items() if Path(python(name)).exists()}


def start(name: str, command: Sequence[str], port: int, environ: dict[str, str], running: ExitStack) -> Contender:
    log = running.enter_context((Path(environ["SCRATCH"]) / f"{name}.log").open("wb"))
    process = subprocess.Popen(
        command, stdout=log, stderr=log, env=environ, cwd=environ["SCRATCH"], start_new_session=True
    )
    running.callback(process.wait)
    running.callback(os.killpg, process.pid, signal.SIGKILL)  # some leave their workers behind
    path = "/v2/models/m/infer" if name == "mlserver" else "/invocations"
    return Contender(name, f"http://127.0.0.1:{port}{path}", name == "mlserver", process)


def why_silent(contender: Contender, folder: Path) -> str:
    """Why it gives no answer within the time; empty when it does."""
    until, reason = time.monotonic() + READY_WITHIN_S, "no answer"
    content = body(1, open_inference=contender.open_inference)
    while time.monotonic() < until and (contender.process is None or contender.process.poll() is None):
        try:
            request = urllib.request.Request(contender.url, content, {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as reply:
                json.loads(reply.read())
                return ""
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.read()[:200]!r}"
            time.sleep(2)
        except (OSError, ValueError):
            time.sleep(0.5)
    lines = (folder / f"{contender.name}.log").read_text(errors="replace").strip().splitlines()
    return f"{reason}; {lines[-1][:200] if lines else ''}"


def load(contender: Contender, count: int, seconds: int, scratch: Path) -> float:
    """Rows a second."""
    script = scratch / f"post-{count}-{contender.open_inference}.lua"
    text = body(count, open_inference=contender.open_inference).decode()
    script.write_text(f'wrk.method="POST"\nwrk.body=[==[{text}]==]\nwrk.headers["Content-Type"]="application/json"\n')
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), contender.url]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Non-2xx" in ended.stdout:
        raise SystemExit(f"{contender.name}: {ended.stdout}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", ended.stdout)[1]) * count  # type: ignore[index]


def bare(estimator: Any, count: int, seconds: float) -> float:
    """Rows a second of the library alone, called with tables that are there already."""
    frame, calls = pd.DataFrame(rows_of(count), columns=COLUMNS), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        estimator.predict_proba(frame)
        calls += 1
    return calls * count / (time.perf_counter() - began)


def memory_mb(contender: Contender) -> float:
    """Private memory of its processes; of Falaj those of the replica, without Envoy."""
    if contender.process is not None:
        parent = psutil.Process(contender.process.pid)
        processes = [parent, *parent.children(recursive=True)]
    else:
        below = psutil.Process().children(recursive=True)
        processes = [each for each in below if "model_server" in " ".join(each.cmdline())]
    return float(sum(each.memory_full_info().uss for each in processes)) / 1e6


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Ratio of the medians with its interval."""
    choose, pairs = random.Random(0), list(zip(ours, theirs, strict=True))
    resampled = []
    for _ in range(RESAMPLES):
        some = choose.choices(pairs, k=len(pairs))
        resampled.append(statistics.median(a for a, _ in some) / statistics.median(b for _, b in some))
    resampled.sort()
    low, high = resampled[int(0.025 * RESAMPLES)], resampled[int(0.975 * RESAMPLES)]
    return f"{statistics.median(ours) / statistics.median(theirs):.2f} ({low:.2f} to {high:.2f})"


def measure(family: str, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="falaj-models-") as place, ExitStack() as running:
        folder, trained = Path(place), (options.models or Path(place)) / family
        if not trained.is_dir():
            subprocess.run([sys.executable, str(HERE / "families.py"), family, str(trained)], check=True)
        result: dict[str, Any] = {"family": family, **json.loads((trained / "figures.json").read_text())}
        contenders, result["left_out"] = contenders_of(folder, trained, options, running)
        estimator = pickle.loads((trained / "estimator.pkl").read_bytes())
        for count in options.rows:
            rates: dict[str, list[float]] = {}
            for _ in range(options.rounds):
                for each in contenders:
                    rates.setdefault(each.name, []).append(load(each, count, options.seconds, folder))
                rates.setdefault("bare", []).append(bare(estimator, count, options.seconds / 2))
            result[f"{count} rows"] = {
                "rows/s": {name: round(statistics.median(each)) for name, each in rates.items()},
                "falaj over": {name: ratio(rates["falaj"], each) for name, each in rates.items() if name != "falaj"},
            }
        result["memory_mb"] = {each.name: round(memory_mb(each)) for each in contenders}
    return result


def contenders_of(
    folder: Path, trained: Path, options: argparse.Namespace, running: ExitStack
) -> tuple[list[Contender], list[str]]:
    """Falaj and every peer that answers, and who does not."""
    environ = os.environ | {
        "PICKLE": str(trained / "estimator.pkl"), "PYTHONPATH": str(HERE / "peers"), "SCRATCH": str(folder),
        "BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(folder / "bento"),
    }  # fmt: skip
    peers = []
    for name, command in peer_commands(options.peers, trained, folder).items():
        port = free_port()
        mine = {**environ, "PATH": f"{options.peers / name / 'bin'}{os.pathsep}{environ['PATH']}"}
        peers.append(start(name, command(port), port, mine, running))
    ours = falaj(folder, trained, running)
    left_out = {each.name: reason for each in peers if (reason := why_silent(each, folder))}
    return [ours, *(each for each in peers if each.name not in left_out)], [f"{n}: {r}" for n, r in left_out.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--models", type=Path, help="Keep the trained models there, for the next time.")
    options = parser.parse_args()
    options = argparse.Namespace(**{**vars(options), "peers": options.peers.resolve()})
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
    for family in options.families:
        print(json.dumps(measure(family, options)), flush=True)


if __name__ == "__main__":
    main()
