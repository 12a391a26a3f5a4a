"""What a step on a machine elsewhere costs over the same step here, and whether of many receipts one counts.

    python benchmarks/scale/remote_steps.py [--rounds 15] [--races 10000]

Both executors carry out the same orders in the same sandbox with the same Python: one in this process, the other by a
machine that asks the server over TLS on loopback, with a home of its own and what it read before in its cache. They
take turns within a round, and each round is compared with its own local one. The store is encrypted, the database
SQLite.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "pipeline")]

from sandbox import interval  # noqa: E402
from tests.agents_port import AgentsPort, agents_port  # noqa: E402

from falaj.build.pipeline import execute  # noqa: E402
from falaj.build.pipeline.executors import Placement, no_placement  # noqa: E402
from falaj.build.pipeline.receipt import StepReceipt  # noqa: E402
from falaj.build.pipeline.step_order import StepOrder, order_key  # noqa: E402
from falaj.config import ProjectSpec, StepSpec  # noqa: E402
from falaj.config.platform_spec import ExecutorSpec  # noqa: E402
from falaj.control.executors import ExecutorPlacement, OrderRefusedError, order_queue  # noqa: E402
from falaj.control.executors.order_queue import Capacity  # noqa: E402
from falaj.control.step_worker.bootstrap import Machine, join  # noqa: E402
from falaj.core.home import Home  # noqa: E402
from falaj.core.venv.environment import build  # noqa: E402
from falaj.storage import Database, ProjectRow, RunRow  # noqa: E402
from falaj.trust import configuration, settings  # noqa: E402
from falaj.trust.pki import enrolment  # noqa: E402

CODE = "import time\n\n\ndef work(number, seconds):\n    time.sleep(seconds)\n    return {'number': number}\n"
LENGTHS_S = (0.0, 1.0)


@contextmanager
def platform(folder: Path) -> Iterator[tuple[AgentsPort, Path]]:
    """A server with an executor and one machine at work; the folder of a project."""
    with agents_port(folder) as port:
        database = port.platform.database
        with database.transaction() as session:
            spec = replace(settings.current(session), executors={"gpu": ExecutorSpec("gpu")})
            configuration.apply(session, spec, "user:root", 1.0)
            session.add(ProjectRow(name="p", repository="/r", branch="main", created_at=1.0))
            session.flush()
            for run in ("here", "there"):
                row = RunRow(
                    id=run, project="p", commit="c", trigger="push", params={}, state="running", created_at=1.0
                )
                session.add(row)
            token = enrolment.invite_machine(session, "gpu", "user:root", port.platform.now())
        home, stopping = Home(folder / "machine", {}).prepare(), threading.Event()
        member = join(home, port.url, f"{token.location}:{port.authority.fingerprint}:{token.token}")
        machine = threading.Thread(target=Machine(home, member, 4.0).work, args=(stopping,), daemon=True)
        machine.start()
        (folder / "project").mkdir()
        (folder / "project" / "steps.py").write_text(CODE)
        yield port, folder / "project"
        port.platform.stopping.set()
        stopping.set()
        machine.join()


def timed(port: AgentsPort, project: Path, run: str, number: int, seconds: float, placement: Placement) -> float:
    """Seconds that a run of one step takes, whose result nobody has."""
    step = StepSpec("work", run="steps:work", params={"number": number, "seconds": seconds}, cache=False)
    begin = time.perf_counter()
    result = execute(
        ProjectSpec("m", "o", data={}, steps={"work": step}), worktree=project, placement=placement,
        environment=build(project, port.platform.home), store=port.platform.store,
        run_dir=port.platform.home.root / "runs" / run,
    )  # fmt: skip
    if not result.ok:
        raise SystemExit(str(result.steps["work"].error))
    return time.perf_counter() - begin


def compare(port: AgentsPort, project: Path, rounds: int) -> None:
    """Measure and print what a step elsewhere costs."""
    platform = port.platform
    spec = {"gpu": ExecutorSpec("gpu")}
    for seconds in LENGTHS_S:
        pairs = []
        for number in range(rounds + 1):
            there: Placement = ExecutorPlacement(
                platform.database, platform.store, spec, "gpu", number + 1, lambda _n, _r: None, lambda _s, _e: ""
            )
            here_s = timed(port, project, "here", number, seconds, no_placement)
            pairs.append((timed(port, project, "there", number, seconds, there), here_s))
        warm = pairs[1:]  # the first one fetches the project's files
        more, low, high = interval([1000 * (away - here) for away, here in warm])
        ratio, least, most = interval([away / here for away, here in warm])
        print(
            f"a step of {seconds:g} s elsewhere: {more:.0f} ms more [{low:.0f}, {high:.0f}], "
            f"ratio {ratio:.2f} [{least:.2f}, {most:.2f}]"
        )


def race(database: Database, races: int, senders: int = 4) -> None:
    """Let several threads send a receipt of each order, and count those that were taken."""
    receipts = []
    begin = time.perf_counter()
    for number in range(races):
        order = StepOrder(
            order_key("here", "race", number, 1),
            "here",
            "race",
            "race",
            number,
            1,
            "e",
            "m:f",
            None,
            {},
            (),
            ("output",),
        )
        with database.transaction() as session:
            order_queue.place(session, order, "race")
            lease = order_queue.claim(session, "race", "race.1", Capacity(1.0, 0), "")
        assert lease is not None
        barrier = threading.Barrier(senders)

        def send(key: str = order.key, token: str = lease.lease, start: threading.Barrier = barrier) -> None:
            start.wait()
            try:
                with database.transaction() as session:
                    row = order_queue.require_lease(session, key, "race.1", token, to_write=True)
                    order_queue.settle(session, row, StepReceipt(key), ())
                receipts.append(key)
            except OrderRefusedError:
                pass

        threads = [threading.Thread(target=send) for _ in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rate = races / (time.perf_counter() - begin)
    print(f"{races} orders, {senders} receipts each: {len(receipts)} taken of {len({*receipts})}; {rate:.0f} a second")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--races", type=int, default=10_000)
    chosen = options.parse_args()
    os.environ.pop("VIRTUAL_ENV", None)
    with tempfile.TemporaryDirectory() as folder, platform(Path(folder)) as (port, project):
        compare(port, project, chosen.rounds)
        race(port.platform.database, chosen.races)


if __name__ == "__main__":
    main()
