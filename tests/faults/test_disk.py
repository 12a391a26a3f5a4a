"""A home on a small disk that fills up: clear errors, and everything goes on once there is room."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from tests.e2e.installation import Installation, installed
from tests.waiting import until

MB = 1 << 20
DISK_MB = 96


def _why_not() -> str:
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    probe = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"],  # gone with the namespace
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return probe.stderr.strip()


_REASON = _why_not()
pytestmark = [
    pytest.mark.durability,
    pytest.mark.faults,
    pytest.mark.skipif(bool(_REASON), reason=f"a small disk cannot be made: {_REASON}"),
]
STEPS = """
    import tempfile
    import time
    from pathlib import Path

    def write(megabytes: int) -> Path:
        target = Path(tempfile.gettempdir(), "out.bin")
        with target.open("wb") as file:
            for _ in range(megabytes):
                file.write(b"x" * (1 << 20))
        return target

    def slowly(seconds: float) -> int:
        time.sleep(seconds)
        return 1

    def after(before: int) -> int:
        return before + 1
"""
HEAD = "model: big\nowner: a@example.org\npipeline:\n"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def small(disk: Path) -> Iterator[Installation]:
    with installed(disk / "home") as instance:
        yield instance


@pytest.fixture(scope="module")
def checkout(small: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository outside the small disk."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "src" / "big").mkdir(parents=True)
    (folder / "src" / "big" / "__init__.py").touch()
    (folder / "src" / "big" / "steps.py").write_text(dedent(STEPS))
    return small.repository(folder, "big")


def free_bytes(disk: Path) -> int:
    filesystem = os.statvfs(disk)
    return filesystem.f_bavail * filesystem.f_frsize


@contextmanager
def filled(disk: Path, leave_bytes: int = 0) -> Iterator[None]:
    """Fill the disk up to a rest; there is room again afterwards."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while not _allocated(file.fileno(), max(1, free_bytes(disk) - leave_bytes)):
                pass  # somebody else wrote between the look and the allocation
        yield
    finally:
        ballast.unlink()


def _allocated(descriptor: int, size: int) -> bool:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def write_project(checkout: Path, *steps: str) -> None:
    (checkout / "falaj.yaml").write_text(HEAD + "".join(f"  {step}\n" for step in steps))


def succeeds_now(small: Installation, commit: str) -> None:
    started = small.json("run", "start", "big", commit)
    ends = ("succeeded", "failed", "rejected", "cancelled")
    shown = until(lambda: r if (r := small.json("run", "show", started["id"]))["state"] in ends else None, small.logs)
    assert shown["state"] == "succeeded", shown["reason"] + small.logs()


def test_a_step_that_fills_the_disk_fails_its_run_and_leaves_the_room(
    small: Installation, checkout: Path, disk: Path
) -> None:
    write_project(checkout, "big: {run: 'big.steps:write', params: {megabytes: 300}}")
    before = free_bytes(disk)
    run = small.ended(small.push(checkout))
    assert run["state"] == "failed"
    assert "space" in run["reason"] and "big" in run["reason"], run["reason"]
    until(lambda: before - free_bytes(disk) < 8 * MB)
    assert small.json("status")["server"] == "ok"


def test_a_result_that_does_not_fit_is_kept_once_there_is_room(small: Installation, checkout: Path, disk: Path) -> None:
    write_project(checkout, "big: {run: 'big.steps:write', params: {megabytes: 12}}")
    with filled(disk, leave_bytes=16 * MB):  # the file itself fits, its copy in the store does not
        commit = small.push(checkout)
        run = small.ended(commit)
        assert run["state"] == "failed" and "space" in run["reason"], run["reason"]
    succeeds_now(small, commit)


def test_a_push_to_a_full_disk_is_refused_by_git_and_taken_once_there_is_room(
    small: Installation, checkout: Path, disk: Path
) -> None:
    write_project(checkout, "little: {run: 'big.steps:write', params: {megabytes: 1}}")
    small.git("commit", "-q", "-am", "Full", cwd=checkout)
    with filled(disk), pytest.raises(subprocess.CalledProcessError) as refused:
        small.git("push", "-q", "falaj", "main", cwd=checkout)
    assert "space" in refused.value.stderr
    small.git("push", "-q", "falaj", "main", cwd=checkout)
    run = small.ended(small.git("rev-parse", "HEAD", cwd=checkout))
    assert run["state"] == "succeeded", run["reason"] + small.logs()


def test_a_disk_that_is_full_for_a_while_during_a_run_stops_nobody_for_ever(
    small: Installation, checkout: Path, disk: Path
) -> None:
    write_project(
        checkout,
        "slow: {run: 'big.steps:slowly', params: {seconds: 3.0}}",
        "after: {run: 'big.steps:after', inputs: [slow]}",
    )
    commit = small.push(checkout)
    until(lambda: (small.run_of(commit) or {}).get("state") == "running", small.logs)
    with filled(disk):
        refused = small.falaj("project", "add", "meanwhile")
        assert refused.returncode == 6, refused.stderr
        assert "No space left" in refused.stderr or "disk is full" in refused.stderr, "of the store, or of the database"
        subprocess.run(["sleep", "6"], check=True)
    small.ok("project", "add", "meanwhile")
    run = small.ended(commit)
    assert run["state"] == "succeeded" or "space" in run["reason"], run["reason"]
    succeeds_now(small, commit)
