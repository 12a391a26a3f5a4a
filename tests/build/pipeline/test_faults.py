"""Kills, hangs, full disks and damage, with real processes and file systems."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.build.pipeline import StepState
from falaj.config import StepSpec
from falaj.core.os_processes import procfs
from tests.build.pipeline.conftest import Project
from tests.waiting import until

pytestmark = pytest.mark.faults


def steps_of(project: Project) -> list[procfs.Process]:
    """Living processes of steps; each has the place of its task among its arguments, with those that it forked."""
    return [each for each in procfs.processes() if not each.zombie and _is_step(each.pid, project)]


def _is_step(pid: int, project: Project) -> bool:
    try:
        return str(project.home / "runs").encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


FAMILY = """
    import os, pathlib, sys, time

    def hang(ready: int = 0) -> int:
        "A step with a child, and a grandchild that left its session."
        if os.fork() == 0:
            os.write(1, b"child\\n")
            time.sleep(3600)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(1, b"escaped\\n")
                for fd in (0, 1, 2):
                    os.close(fd)
                time.sleep(3600)
            os._exit(0)
        os.wait()
        os.write(1, b"leader\\n")
        if pathlib.Path("go").exists():
            time.sleep(0.2)
            return 1
        time.sleep(3600)
        return 0
"""

FIRST = """
    def ready() -> int:
        return 1
"""


@pytest.fixture
def family(project: Project) -> Iterator[Project]:
    project.write("steps.py", FAMILY)
    project.write("first.py", FIRST)  # by itself: the family reads files that it writes
    yield project
    assert not steps_of(project)


HANG = StepSpec("hang", run="steps:hang", inputs=("ready",))
READY = StepSpec("ready", run="first:ready")


def test_a_timeout_ends_the_whole_family(family: Project) -> None:
    for limit_s in (1.5, 6.0, 24.0, 96.0):  # until the family is whole before its time is over
        result = family.run(READY, StepSpec("hang", run="steps:hang", inputs=("ready",), timeout_s=limit_s))
        error, log = result.steps["hang"].error, result.steps["hang"].log
        assert error is not None
        assert (error.code, error.message) == ("step.timed-out", f"ran longer than {limit_s:g} s")
        assert not steps_of(family)
        if log is not None and {*log.read_text().split()} == {"child", "escaped", "leader"}:
            return
    pytest.fail("the family was never whole")


def test_a_step_that_ignores_being_asked_is_killed(project: Project) -> None:
    project.write(
        "steps.py",
        "import signal, time\ndef f():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(3600)\n",
    )
    result = project.run(StepSpec("f", run="steps:f", timeout_s=1))
    assert result.steps["f"].error.code == "step.timed-out"  # type: ignore[union-attr]


def test_what_a_finished_step_left_running_is_ended(family: Project) -> None:
    (family.worktree / "go").touch()
    assert family.run(READY, HANG).ok
    assert not steps_of(family)


def test_a_step_killed_from_outside(family: Project) -> None:
    import threading

    def kill() -> None:
        until(lambda: len(steps_of(family)) == 3)
        os.kill(next(each.pid for each in steps_of(family) if each.pid == each.group), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = family.run(READY, HANG)
    killer.join()
    error = result.steps["hang"].error
    assert error is not None
    assert (error.code, error.message) == ("step.killed", "was ended by signal 9")
    assert not steps_of(family)


ENGINE = """
    import sys
    from pathlib import Path
    from falaj.build.pipeline import execute
    from falaj.core.venv.environment import Environment
    from falaj.supply_chain.artifacts import open_store
    from falaj.config import ProjectSpec, StepSpec
    root = Path(sys.argv[1])
    steps = {
        "ready": StepSpec("ready", run="first:ready"),
        "hang": StepSpec("hang", run="steps:hang", inputs=("ready",)),
    }
    execute(
        ProjectSpec("m", "o", steps=steps), worktree=root / "project", run_dir=root / "home" / "runs" / "r1",
        environment=Environment(Path(sys.executable), "test", False), store=open_store(str(root / "home" / "store")),
    )
"""


def start_engine(project: Project) -> subprocess.Popen[bytes]:
    script = project.root / "engine.py"
    script.write_text(textwrap.dedent(ENGINE))
    return subprocess.Popen([sys.executable, str(script), str(project.root)])


def test_kill_9_of_the_engine_then_run_again(family: Project) -> None:
    engine = start_engine(family)
    until(lambda: len(steps_of(family)) == 3)
    engine.kill()
    engine.wait()
    until(lambda: not steps_of(family))  # by the kernel
    (family.worktree / "go").touch()
    result = family.run(READY, HANG)
    assert result.ok
    assert result.steps["ready"].cached


def test_a_step_that_eats_memory_is_stopped(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import time, os
        def eat() -> int:
            kept = []
            while True:
                kept.append(bytearray(os.urandom(1 << 20) * 20))
                time.sleep(0.02)
        """,
    )
    result = project.run(StepSpec("eat", run="steps:eat", memory_bytes=200 << 20))
    error = result.steps["eat"].error
    assert error is not None
    assert error.code == "step.out-of-memory"
    assert "its limit is 200 MiB" in error.message


def test_memory_of_children_counts_and_shared_memory_counts_once(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import os, time
        def share() -> int:
            kept = bytearray(os.urandom(1 << 20) * 100)
            children = []
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    time.sleep(1)
                    os._exit(len(kept) > 1 and 0)
                children.append(pid)
            for pid in children:
                os.waitpid(pid, 0)
            return 1
        def each() -> int:
            children = []
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    os.setsid()
                    kept = bytearray(os.urandom(1 << 20) * 100)
                    time.sleep(3600)
                    os._exit(len(kept) > 1 and 0)
                children.append(pid)
            for pid in children:
                os.waitpid(pid, 0)
            return 1
        """,
    )
    assert project.run(StepSpec("share", run="steps:share", memory_bytes=300 << 20)).ok
    result = project.run(StepSpec("each", run="steps:each", memory_bytes=300 << 20), run_id="r2")
    assert result.steps["each"].error.code == "step.out-of-memory"  # type: ignore[union-attr]


def test_endless_output_is_cut(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("falaj.build.pipeline.logs.LIMIT_BYTES", 1 << 20)
    project.write(
        "steps.py", "def talk() -> int:\n    for _ in range(300):\n        print('x' * 10_000)\n    return 1\n"
    )
    result = project.run(StepSpec("talk", run="steps:talk"))
    assert result.ok
    log = result.steps["talk"].log
    assert log is not None
    assert log.stat().st_size < 1.2 * (1 << 20)
    assert "the log ends here" in log.read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


BIG = """
    from pathlib import Path
    def big(out: str = "", n: int = 3_000_000) -> Path:
        import os, tempfile
        path = Path(out or tempfile.mkdtemp()) / "big.bin"
        path.write_bytes(os.urandom(n))
        return path
"""


def test_a_full_disk_under_the_run(project: Project, small_disk: Path) -> None:
    from falaj.supply_chain.artifacts import open_store

    project.write("steps.py", BIG)
    (small_disk / "home").mkdir()
    home = project.root / "home"
    home.symlink_to(small_disk / "home")
    store = open_store(str(project.root / "store"))
    result = project.run(StepSpec("big", run="steps:big", params={"n": 30_000_000}), store=store)
    error = result.steps["big"].error
    assert error is not None
    assert error.code == "step.disk-full"
    assert "No space left on device" in error.message or "no space left" in error.message
    assert str(project.home) in str(error)


def test_a_full_disk_under_the_store(project: Project, small_disk: Path) -> None:
    from falaj.supply_chain.artifacts import open_store

    project.write("steps.py", BIG)
    store = open_store(str(small_disk / "store"))
    result = project.run(StepSpec("big", run="steps:big", params={"n": 8_000_000}), store=store)
    error = result.steps["big"].error
    assert error is not None
    assert error.code == "artifact.disk-full"
    assert str(small_disk) in str(error)
    assert not [*store.refs("steps/")]
    assert project.run(StepSpec("big", run="steps:big", params={"n": 1000}), store=store, run_id="r2").ok


def blobs(project: Project) -> list[Path]:
    return [path for path in (project.home / "store" / "blobs").rglob("*") if path.is_file()]


def damage(project: Project, content: bytes, new: bytes | None) -> None:
    path = next(path for path in blobs(project) if path.read_bytes() == content)
    path.chmod(0o644)
    if new is None:
        path.unlink()
    else:
        path.write_bytes(new)


@pytest.mark.parametrize("new", [None, b"12", b"9"])
def test_a_damaged_result_is_made_again(project: Project, new: bytes | None) -> None:
    project.write(
        "steps.py", "def one() -> int:\n    return 7\ndef use(one: int, k: int) -> int:\n    return one * k\n"
    )
    one = StepSpec("one", run="steps:one")
    project.run(one, StepSpec("use", run="steps:use", inputs=("one",), params={"k": 1}))
    damage(project, b"7", new)
    result = project.run(one, StepSpec("use", run="steps:use", inputs=("one",), params={"k": 2}), run_id="r2")
    assert result.ok, result.steps["use"].error
    assert project.value(result, "use") == 14
    assert not result.steps["one"].cached
    project.store.verify(result.outputs["one"])
    later = project.run(one, run_id="r3")
    assert later.steps["one"].cached


def test_a_damaged_result_that_many_read_is_made_again_once(project: Project) -> None:
    project.write(
        "steps.py", "def one() -> int:\n    return 7\ndef use(one: int, k: int) -> int:\n    return one * k\n"
    )
    one = StepSpec("one", run="steps:one")

    def readers(factor: int) -> list[StepSpec]:
        return [StepSpec(f"use{k}", run="steps:use", inputs=("one",), params={"k": factor * k}) for k in (1, 2, 3)]

    project.run(one, *readers(1))
    damage(project, b"7", None)
    result = project.run(one, *readers(10), run_id="r2")
    assert [project.value(result, f"use{k}") for k in (1, 2, 3)] == [70, 140, 210]


def test_a_damaged_manifest_of_a_result_is_made_again(project: Project) -> None:
    project.write("steps.py", "def one() -> int:\n    return 7\n")
    digest = project.run(StepSpec("one", run="steps:one")).outputs["one"]
    path = project.home / "store" / "manifests" / digest[7:9] / digest[9:]
    text = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(text.replace(b"value", b"vaLue"))  # the same size
    result = project.run(StepSpec("one", run="steps:one"), run_id="r2")
    assert not result.steps["one"].cached
    assert project.value(result, "one") == 7


@pytest.mark.parametrize("new", [None, b"hallo"])
def test_a_damaged_snapshot_is_read_again(project: Project, new: bytes | None) -> None:
    project.write("raw.txt", "hello")
    project.write(
        "steps.py", "from pathlib import Path\ndef f(raw: Path, k: int) -> str:\n    return raw.read_text() * k\n"
    )
    step = StepSpec("f", run="steps:f", inputs=("raw",), params={"k": 1})
    project.run(step, data={"raw": "file://raw.txt"})
    damage(project, b"hello", new)
    again = StepSpec("f", run="steps:f", inputs=("raw",), params={"k": 2})
    result = project.run(again, data={"raw": "file://raw.txt"}, run_id="r2")
    assert project.value(result, "f") == "hellohello"


def test_a_record_that_is_no_record(project: Project) -> None:
    project.write("steps.py", "def one() -> int:\n    return 7\n")
    first = project.run(StepSpec("one", run="steps:one"))
    project.store.set_ref(f"steps/{first.steps['one'].fingerprint}", b'{"outputs": 3')
    second = project.run(StepSpec("one", run="steps:one"), run_id="r2")
    assert second.steps["one"].state is StepState.SUCCEEDED
    assert not second.steps["one"].cached


def test_a_step_that_fills_the_disk_is_stopped(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import os, tempfile

        def fill() -> int:
            with tempfile.TemporaryFile() as hidden, open(os.path.join(os.environ["HOME"], "big"), "wb") as file:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
        """,
    )
    result = project.run(StepSpec("fill", run="steps:fill", disk_bytes=100 << 20))
    error = result.steps["fill"].error
    assert error is not None and error.code == "step.out-of-disk"
    assert "its limit is 100 MiB" in str(error)
