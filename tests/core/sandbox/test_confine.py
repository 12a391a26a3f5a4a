"""Each denial is tried in a process of its own, on this machine's kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from falaj.core.sandbox import available, seccomp

pytestmark = [
    pytest.mark.skipif(not (available().files and available().network), reason=available().why_not),
    pytest.mark.integration,
]

PREFIX = """
import os, socket, sys, threading
from pathlib import Path
from falaj.core.sandbox import confine
readable, writable, other = map(Path, sys.argv[1:])
state = confine(readable=[readable], writable=[writable])
assert state.files and state.network, state
"""


def confined(tmp_path: Path, code: str) -> str:
    """What the code printed; it has `readable`, `writable` and `other`, three folders with a file `f` each."""
    folders = [tmp_path / name for name in ("readable", "writable", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "f").write_text("content")
    process = subprocess.run(
        [sys.executable, "-c", PREFIX + code, *map(str, folders)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


REFUSED = {
    "read elsewhere": "(other / 'f').read_text()",
    "list elsewhere": "list(other.iterdir())",
    "write elsewhere": "(other / 'g').write_text('x')",
    "change what is only readable": "(readable / 'f').write_text('x')",
    "remove what is only readable": "(readable / 'f').unlink()",
    "move out": "(writable / 'f').rename(other / 'g')",
    "an Internet socket": "socket.socket(socket.AF_INET)",
    "an IPv6 socket": "socket.socket(socket.AF_INET6)",
    "a netlink socket": "socket.socket(socket.AF_NETLINK)",
    "a socket that others could connect to": "socket.socket(socket.AF_UNIX).bind(str(writable / 's'))",
    "a connection over a Unix socket": "socket.socket(socket.AF_UNIX).connect(str(writable / 's'))",
    "a datagram, which reaches a named socket": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a program": "os.execv('/bin/true', ['true'])",
    "a program in a child": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "another process's memory": "open('/proc/1/environ').read()",
    "a signal to another process": "os.kill(os.getppid(), 0)",
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path: Path, attempt: str) -> None:
    code = f"""
try:
    {attempt.replace("; ", chr(10) + "    ")}
except PermissionError:
    print('refused')
"""
    assert confined(tmp_path, code) == "refused\n"
    assert (tmp_path / "readable" / "f").read_text() == "content"


ALLOWED = {
    "read": "assert (readable / 'f').read_text() == 'content'",
    "write": "(writable / 'd').mkdir(); (writable / 'd' / 'g').write_text('x'); (writable / 'f').unlink()",
    "import": "import json, sqlite3, decimal, numpy; numpy.linalg.inv(numpy.eye(3))",
    "threads": "t = threading.Thread(target=int); t.start(); t.join()",
    "devices": "open('/dev/urandom', 'rb').read(8); open('/dev/null', 'w').write('x')",
    "own state": "open('/proc/self/status').read()",
}


@pytest.mark.parametrize("attempt", ALLOWED.values(), ids=ALLOWED.keys())
def test_allowed(tmp_path: Path, attempt: str) -> None:
    assert confined(tmp_path, f"{attempt}\nprint('done')") == "done\n"


def test_later_threads_and_children_are_confined_too(tmp_path: Path) -> None:
    code = """
def attempt():
    try:
        socket.socket(socket.AF_INET)
    except PermissionError:
        print('refused', flush=True)
thread = threading.Thread(target=attempt)
thread.start()
thread.join()
if os.fork() == 0:
    attempt()
    os._exit(0)
os.wait()
"""
    assert confined(tmp_path, code) == "refused\nrefused\n"


@pytest.mark.parametrize("above", ["other", ""], ids=["the folder itself", "a folder above it"])
def test_the_folder_that_a_process_was_started_in_is_not_readable(tmp_path: Path, above: str) -> None:
    """`python -m` puts it on the path, and the home of an installation may lie below it."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_text("secret")
    code = """
import os, sys
from pathlib import Path
os.chdir(sys.argv[1])
sys.path.insert(0, os.getcwd())
from falaj.core.sandbox import confine
confine()
try:
    Path(sys.argv[2]).read_text()
except PermissionError:
    print("refused")
"""
    arguments = [str(tmp_path / above), str(tmp_path / "other" / "f")]
    process = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert process.stdout == "refused\n", process.stderr


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_lands_on_the_refusal(machine: str) -> None:
    """Run the program by hand for every refused call, and for some that are allowed."""
    refuse, allow = seccomp._REFUSE, seccomp._ALLOW
    for number in seccomp._REFUSED[machine].values():
        assert interpret(machine, number, 0) == refuse
    assert interpret(machine, seccomp._SOCKET[machine], 1) == allow
    assert interpret(machine, seccomp._SOCKET[machine], 2) == refuse
    assert interpret(machine, 0, 0) == allow
    assert interpret(machine, 0x40000000 + 41, 1) == refuse
    assert interpret(machine, 0, 0, architecture=0x40000003) == seccomp._KILL


def interpret(machine: str, number: int, argument: int, architecture: int | None = None) -> int:
    data = {
        0: number,
        4: seccomp._ARCHITECTURES[machine] if architecture is None else architecture,
        16: argument,
        24: 1,
    }
    at, accumulator, code = 0, 0, seccomp.program(machine)
    while True:
        operation, yes, no, value = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = data[value]
            case 0x15:
                at += yes if accumulator == value else no
            case 0x35:
                at += yes if accumulator >= value else no
            case 0x54:
                accumulator &= value
            case 0x06:
                return value
