"""The worker reads no signing key, root key or token, by any name, and its steps run all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from falaj.core.sandbox import offered

pytestmark = [
    pytest.mark.skipif(not offered().namespaces, reason="the kernel gives no namespaces"),
    pytest.mark.integration,
]

SECLUDED = """
import ctypes, json, os, subprocess, sys
from pathlib import Path
from falaj.core.sandbox import Launch, offered, run_to_end, seclude
home, outside, scratch = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
seclude({home / "keys": {"checker.pem.pub": b"public"}, home / "locations": {}}, [home / "token"])
libc = ctypes.CDLL(None)
libc.umount2(str(home / "keys").encode(), 2)
unmount = f"umount {home}/keys; umount -l {home}/keys; cat {home}/keys/checker.pem"
found = {"again": subprocess.run(["unshare", "-rm", "sh", "-c", unmount], capture_output=True).stdout.decode()}
(home / "keys" / "planted").write_text("x")
places = [home / "keys" / "checker.pem", home / "keys" / "root.key", home / "token", home / "locations" / "agent.pem"]
places += [Path(f"/proc/{outside}/root{home}/keys/checker.pem"), Path(f"/proc/{outside}/cwd/keys/checker.pem")]
places += [Path(f"/proc/{outside}/environ"), Path(f"/proc/{outside}/mem")]
for place in places:
    try:
        with place.open("rb") as file:
            found[str(place)] = file.read(1).decode(errors="replace")
    except OSError as error:
        found[str(place)] = ""
found["names"] = sorted(path.name for path in (home / "keys").iterdir())
found["public"] = (home / "keys" / "checker.pem.pub").read_text()
python = str(Path(sys.executable).resolve())
launch = Launch((python, "-I", "-S", "-c", "print(6 * 7)"), scratch, {}, (Path(sys.base_prefix),), scratch=scratch)
found["namespaces"] = offered().why_not
try:
    os.setxattr(scratch, "user.note", b"x")
    found["attributes"] = "written"
except PermissionError:
    found["attributes"] = ""
found["step"] = run_to_end(launch, offered(), 60)
print(json.dumps(found))
"""


def test_a_secluded_process_finds_no_key(tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    for name in ("keys/checker.pem", "keys/root.key", "token", "locations/agent.pem"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("SECRET")
    scratch.mkdir()
    command = [sys.executable, "-c", SECLUDED, str(home), str(os.getpid()), str(scratch)]
    process = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=300)
    assert process.returncode == 0, process.stderr
    probe_results = json.loads(process.stdout)
    assert probe_results.pop("step") == [0, "42\n"]
    assert probe_results.pop("names") == ["checker.pem.pub", "planted"] and probe_results.pop("public") == "public"
    assert set(probe_results.values()) == {""}, probe_results
    assert sorted(path.name for path in (home / "keys").iterdir()) == ["checker.pem", "root.key"]
