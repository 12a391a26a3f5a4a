from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from falaj.build.pipeline import RunEvent, StepState
from falaj.build.pipeline.cache import Output
from falaj.build.pipeline.errors import PipelineError, StepError
from falaj.build.pipeline.step_order import StepOrder
from falaj.config import StepSpec
from tests.build.pipeline.conftest import Project

pytestmark = pytest.mark.integration

CHAIN = """
    from pathlib import Path

    def one(n: int = 1) -> int:
        print("first line")
        return n

    def add(one: int, by: int = 1) -> int:
        return one + by

    def times(add: int, k: int) -> int:
        return add * k

    def total(times: list[int]) -> dict[str, int]:
        return {"sum": sum(times), "nested": {"n": len(times)}}

    def named(times: dict[str, int]) -> dict[str, int]:
        return times
"""
STEPS = (
    StepSpec("one", run="steps:one", params={"n": 1}),
    StepSpec("add", run="steps:add", inputs=("one",)),
    StepSpec("times", run="steps:times", inputs=("add",), matrix={"k": (1, 2, 3)}),
    StepSpec("total", run="steps:total", inputs=("times",), output="report"),
)


@pytest.fixture
def chain(project: Project) -> Project:
    project.write("steps.py", CHAIN)
    return project


def cached(result: object) -> set[str]:
    return {name for name, step in result.steps.items() if step.cached}  # type: ignore[attr-defined]


def test_values_flow_through_the_graph(chain: Project) -> None:
    result = chain.run(*STEPS)
    assert result.ok
    assert result.failed is None
    assert chain.value(result, "total") == {"sum": 12, "nested": {"n": 3}}
    assert result.steps["total"].metrics == {"sum": 12.0, "nested.n": 3.0}
    assert chain.kinds("one") == ["step.queued", "step.started", "step.log", "step.finished"]


def test_fan_in_by_name(chain: Project) -> None:
    result = chain.run(*STEPS[:3], StepSpec("named", run="steps:named", inputs=("times",)))
    assert chain.value(result, "named") == {"times[k=1]": 2, "times[k=2]": 4, "times[k=3]": 6}


def test_a_second_run_starts_nothing(chain: Project) -> None:
    first = chain.run(*STEPS)
    second = chain.run(*STEPS, run_id="r2")
    assert cached(second) == {*second.steps}
    assert second.outputs == first.outputs
    assert {event.kind for event in chain.events} == {"step.cached"}
    assert second.steps["total"].metrics == {"sum": 12.0, "nested.n": 3.0}


def test_a_changed_parameter_redoes_what_depends_on_it(chain: Project) -> None:
    chain.run(*STEPS)
    result = chain.run(*STEPS, run_id="r2", params={"add": {"by": 5}})
    assert cached(result) == {"one"}
    assert chain.value(result, "total")["sum"] == 36


def test_a_change_without_effect_stops_there(chain: Project) -> None:
    chain.run(*STEPS)
    chain.write("steps.py", CHAIN + "\n# a remark\n")
    result = chain.run(*STEPS, run_id="r2")
    assert cached(result) == set()  # all steps are in the changed module


def test_a_change_of_another_module_redoes_nothing(chain: Project) -> None:
    chain.run(*STEPS)
    chain.write("unrelated.py", "x = 1\n")
    assert len(cached(chain.run(*STEPS, run_id="r2"))) == 6


def test_equal_results_make_later_steps_known(chain: Project) -> None:
    chain.write("first.py", "def one() -> int:\n    return 1\n")
    steps = (StepSpec("one", run="first:one"), *STEPS[1:])
    chain.run(*steps)
    chain.write("first.py", "def one() -> int:\n    return 2 - 1\n")
    assert cached(chain.run(*steps, run_id="r2")) == {"add", "times[k=1]", "times[k=2]", "times[k=3]", "total"}


def test_declared_files_count(chain: Project) -> None:
    chain.write("config/a.toml", "x = 1")
    step = StepSpec("one", run="steps:one", files=("config/*.toml",))
    chain.run(step)
    assert cached(chain.run(step, run_id="r2")) == {"one"}
    chain.write("config/a.toml", "x = 2")
    assert cached(chain.run(step, run_id="r3")) == set()


def test_compiled_files_among_the_declared_do_not_count(chain: Project) -> None:
    chain.write("config/a.py", "x = 1")
    step = StepSpec("one", run="steps:one", files=("config",))
    chain.run(step)
    chain.write("config/__pycache__/a.cpython-311.pyc", "x = 1")
    assert cached(chain.run(step, run_id="r2")) == {"one"}


def test_a_declared_file_that_is_missing(chain: Project) -> None:
    result = chain.run(StepSpec("one", run="steps:one", files=("nothing.toml",)))
    assert "nothing.toml" in str(result.steps["one"].error)


def test_no_cache_means_once_in_each_run(chain: Project) -> None:
    step = StepSpec("one", run="steps:one", cache=False)
    chain.run(step)
    assert cached(chain.run(step, run_id="r1")) == {"one"}  # the same run goes on
    assert cached(chain.run(step, run_id="r2")) == set()


def test_logs_are_kept(chain: Project) -> None:
    result = chain.run(*STEPS)
    log = result.steps["one"].log
    assert log is not None
    assert log.read_text() == "first line\n"
    assert sorted(path.name for path in (chain.home / "runs" / "r1").iterdir()) == ["logs"]


def test_logs_are_streamed(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import time, pathlib
        def slow() -> int:
            print("half way")
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
            return 1
        """,
    )

    def hear(event: RunEvent) -> None:
        if event.kind == "step.log" and event.data["lines"] == ["half way"]:
            (project.worktree / "go").touch()

    assert project.run(StepSpec("slow", run="steps:slow"), emit=hear).ok


def test_steps_run_side_by_side_within_the_cores(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import time, pathlib
        def meet(me: int, n: int) -> int:
            print("here")
            while n > 1 and not pathlib.Path("both-here").exists():
                time.sleep(0.01)
            return me
        """,
    )
    here: list[str] = []

    def hear(event: RunEvent) -> None:
        if event.kind == "step.log":
            here.append(event.node)
            if len(here) == 2:
                (project.worktree / "both-here").touch()

    together = StepSpec("meet", run="steps:meet", params={"n": 2}, matrix={"me": (1, 2)})
    assert project.run(together, cpus=2, emit=hear).ok
    running, most = 0, 0

    def count(event: RunEvent) -> None:
        nonlocal running, most
        running += {"step.started": 1, "step.finished": -1}.get(event.kind, 0)
        most = max(most, running)

    alone = StepSpec("meet", run="steps:meet", params={"n": 1}, matrix={"me": (1, 2, 3)}, memory_bytes=600 << 20)
    assert project.run(alone, run_id="r2", cpus=8, memory_bytes=1 << 30, emit=count).ok
    assert most == 1


def test_a_failed_step_is_tried_again_with_growing_waits(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import pathlib
        def flaky() -> int:
            count = int(pathlib.Path("tries").read_text())
            assert count == 3, f"try {count}"
            return count
        """,
    )
    events: list[RunEvent] = []

    def hear(event: RunEvent) -> None:
        events.append(event)
        if event.kind == "step.started":
            (project.worktree / "tries").write_text(str(event.data["attempt"]))

    result = project.run(StepSpec("flaky", run="steps:flaky", retries=2, backoff_s=0.05), emit=hear)
    assert result.ok
    assert result.steps["flaky"].attempts == 3
    assert [e.data["wait_s"] for e in events if e.kind == "step.retried"] == [0.05, 0.1]


def test_a_failure_says_where_and_stops_what_depends_on_it(chain: Project) -> None:
    chain.write("bad.py", "def fail(one: int) -> int:\n    raise ValueError('no such airport')\n")
    result = chain.run(
        STEPS[0],
        StepSpec("fail", run="bad:fail", inputs=("one",)),
        StepSpec("after", run="steps:add", inputs=("fail",)),
    )
    assert result.failed == "fail"
    assert [str(step.state) for step in result.steps.values()] == ["succeeded", "failed", "skipped"]
    error = result.steps["fail"].error
    assert error is not None
    assert (error.code, error.message) == ("step.failed", "ValueError: no such airport")
    assert error.where.endswith("bad.py:2")
    log = result.steps["fail"].log
    assert log is not None
    assert "falaj_step" not in log.read_text()
    assert cached(chain.run(STEPS[0], run_id="r2")) == {"one"}


def test_a_step_that_runs_beside_a_failure_counts(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import pathlib, time
        def fail():
            while not pathlib.Path("slow-runs").exists():
                time.sleep(0.01)
            raise SystemExit(0)
        def slow() -> int:
            print("runs")
            while not pathlib.Path("failed").exists():
                time.sleep(0.01)
            return 1
        """,
    )

    def hear(event: RunEvent) -> None:
        if (event.kind, event.node) == ("step.log", "slow"):
            (project.worktree / "slow-runs").touch()
        if (event.kind, event.node) == ("step.failed", "fail"):
            (project.worktree / "failed").touch()

    result = project.run(StepSpec("fail", run="steps:fail"), StepSpec("slow", run="steps:slow"), cpus=2, emit=hear)
    assert (result.failed, result.steps["slow"].state) == ("fail", StepState.SUCCEEDED)


def test_cancel_stops_everything(project: Project) -> None:
    project.write("steps.py", "import time\ndef hang(n: int) -> int:\n    time.sleep(3600)\n    return n\n")
    stop, started = threading.Event(), []

    def hear(event: RunEvent) -> None:
        started.extend([event] * (event.kind == "step.started"))
        if len(started) == 2:
            stop.set()

    result = project.run(
        StepSpec("hang", run="steps:hang", matrix={"n": (1, 2)}, retries=3),
        StepSpec("after", run="steps:hang", needs=("hang",), params={"n": 1}),
        cancelled=stop.is_set,
        cpus=2,
        emit=hear,
    )
    assert result.cancelled
    assert {step.state for step in result.steps.values()} == {StepState.CANCELLED}
    assert result.failed is None


def test_a_pipeline_that_cannot_be_run(chain: Project) -> None:
    with pytest.raises(PipelineError):
        chain.run(StepSpec("add", run="steps:add", inputs=("nothing",)))


def test_commands_read_and_write_files(chain: Project) -> None:
    chain.write(
        "double.py",
        "import sys\nfrom shared import K\n"
        "value = int(open(sys.argv[1] + '/value.json').read())\n"
        "open(sys.argv[2], 'w').write(str(K * value))\n",
    )
    chain.write("shared.py", "K = 2\n")
    command = ("python", "double.py", "{inputs.one}", "{outputs.twice}.json")
    steps = (STEPS[0], StepSpec("double", command=command, inputs=("one",), outputs=("twice",)))
    result = chain.run(*steps)
    assert chain.value(result, "double.twice") == 2
    assert cached(chain.run(*steps, run_id="r2")) == {"one", "double"}
    chain.write("shared.py", "K = 3\n")
    assert chain.value(chain.run(*steps, run_id="r3"), "double.twice") == 3


def test_a_command_that_fails_or_writes_nothing(project: Project) -> None:
    failed = project.run(StepSpec("x", command=("sh", "-c", "echo why; exit 3")))
    assert failed.steps["x"].error.message == "ended with exit code 3"  # type: ignore[union-attr]
    silent = project.run(StepSpec("x", command=("true",), outputs=("table",)), run_id="r2")
    assert silent.steps["x"].error.code == "step.wrong-output"  # type: ignore[union-attr]
    absent = project.run(StepSpec("x", command=("no-such-program",)), run_id="r3")
    assert "no-such-program" in str(absent.steps["x"].error)


def test_steps_see_few_variables(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    project.write("steps.py", "import os\ndef see() -> dict[str, str]:\n    return dict(os.environ)\n")
    result = project.run(StepSpec("see", run="steps:see", cpu=2), step_environment={"MLFLOW_RUN_ID": "abc"})
    variables = project.value(result, "see")
    assert "AWS_SECRET_ACCESS_KEY" not in variables
    assert variables["PYTHONPATH"] == str(project.worktree)
    assert (variables["MLFLOW_RUN_ID"], variables["DO_NOT_TRACK"], variables["OMP_NUM_THREADS"]) == ("abc", "true", "2")
    assert variables["HOME"].startswith(str(project.home / "runs" / "r1" / "steps" / "see"))


def test_a_step_that_nobody_tracks_records_into_its_own_folder(project: Project) -> None:
    """A refit, or a replay: without a place to record to, MLflow would make a database where nothing can be written."""
    project.write(
        "steps.py",
        """
        import os
        from pathlib import Path
        from urllib.parse import urlsplit
        def see() -> dict[str, str]:
            folder = Path(urlsplit(os.environ["MLFLOW_TRACKING_URI"]).path)
            (folder / "0" / os.environ["MLFLOW_RUN_ID"] / "params" / "rate").write_text("0.1")
            return {"folder": str(folder)}
        """,
    )
    recorded: list[str] = []
    result = project.run(StepSpec("see", run="steps:see"), record=lambda node, _: recorded.append(node))
    assert result.ok and not recorded
    assert project.value(result, "see")["folder"].startswith(str(project.home / "runs" / "r1" / "steps" / "see"))


def test_an_input_cannot_be_changed(project: Project) -> None:
    project.write(
        "steps.py",
        """
        from pathlib import Path
        def make() -> dict[str, int]:
            return {"a": 1}
        def spoil(make: Path) -> int:
            try:
                make.write_text("{}")
            except OSError:
                return 1
            return 2
        def read(make: dict[str, int], spoil: int) -> int:
            return make["a"]
        """,
    )
    result = project.run(
        StepSpec("make", run="steps:make"),
        StepSpec("spoil", run="steps:spoil", inputs=("make",)),
        StepSpec("read", run="steps:read", inputs=("make", "spoil")),
    )
    assert project.value(result, "read") == 1


def test_two_engines_on_one_store(chain: Project) -> None:
    results = {}
    threads = [
        threading.Thread(target=lambda run=run: results.update({run: chain.run(*STEPS, run_id=run)}))
        for run in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results["a"].ok and results["b"].ok
    assert results["a"].outputs == results["b"].outputs
    assert len(cached(chain.run(*STEPS, run_id="c"))) == 6
    assert Path(chain.home / "runs").is_dir()


class _Forbidding:
    """An executor that nothing may go to, and the placement that sends every step there."""

    fence, name = 1, "gpu"

    def executor_of(self, _step: StepSpec) -> _Forbidding:
        return self

    def require_permitted(self, step: str, sources: Collection[str]) -> None:
        raise StepError(f"{sorted(sources)} stay here", where=step, code="step.residency")

    def execute(self, order: StepOrder, stop: int, output: Callable[[bytes], None]) -> Mapping[str, Output]:
        raise AssertionError((order, stop, output))


def test_what_may_not_go_elsewhere_is_refused_before_the_project_is_stored_for_it(project: Project) -> None:
    project.write("steps.py", "def first(rows):\n    return 1\n")
    project.write("rows.csv", "a\n1\n")
    step = StepSpec("first", run="steps:first", inputs=("rows",), retries=3)
    result = project.run(step, data={"rows": "file://rows.csv"}, placement=_Forbidding())
    error = result.steps["first"].error
    assert error is not None and (error.code, result.steps["first"].attempts) == ("step.residency", 1)
    assert "['rows'] stay here" in str(error)
    assert not any((project.home / "runs").rglob("tree"))
