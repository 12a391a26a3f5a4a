"""Each attack is tried by a process in the sandbox, on this machine's kernel; `Sandbox` takes parts away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from falaj.core.os_processes import procfs
from falaj.core.sandbox import (
    Ceilings,
    ExposedHomeError,
    Launch,
    Sandbox,
    offered,
    python_folders,
    scratch_environ,
    start,
)
from tests.waiting import until

INSIDE = offered()
OUTSIDE = replace(INSIDE, namespaces=False)
"""A kernel that gives no namespaces: Landlock, seccomp and a launcher that adopts orphans."""
SANDBOXES = {"namespaces": INSIDE, "no namespaces": OUTSIDE}

pytestmark = [
    pytest.mark.skipif(
        not (INSIDE.namespaces and INSIDE.landlock >= 6 and INSIDE.seccomp), reason=f"the kernel offers {INSIDE}"
    ),
    pytest.mark.integration,
]


@dataclass
class Room:
    """A home with secrets, a worktree, and a scratch folder for the code."""

    root: Path
    sandbox: Sandbox

    def __post_init__(self) -> None:
        for name in ("home/keys", "home/runs/other/worktree", "worktree", "scratch"):
            (self.root / name).mkdir(parents=True)
        for name in ("home/keys/identity.pem", "home/token", "home/falaj.db", "home/runs/other/worktree/code.py"):
            (self.root / name).write_text("SECRET")
        (self.root / "worktree" / "module.py").write_text("X = 1\n")

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    def launch(self, code: str, *arguments: str, **changes: object) -> Launch:
        python = Path(sys.executable)
        launch = Launch(
            (str(python), "-c", code, *arguments),
            self.root / "worktree",
            {**scratch_environ(self.scratch, {}), "PATH": os.defpath},
            (*python_folders(python), self.root / "worktree"),
            self.scratch,
            hidden=(self.root / "home",),
        )
        return replace(launch, **changes)  # type: ignore[arg-type]

    def run(self, code: str, *arguments: str, **changes: object) -> tuple[int, str]:
        """The exit code and what was printed."""
        launched = start(self.launch(code, *arguments, **changes), self.sandbox)
        try:
            printed, _ = launched.process.communicate(timeout=120)
            launched.refuse_unstarted()
        finally:
            os.close(launched.receipt)
        return launched.process.returncode, printed.decode()


@pytest.fixture(params=SANDBOXES.values(), ids=SANDBOXES.keys())
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    return Room(tmp_path, request.param)


@pytest.fixture
def inside(tmp_path: Path) -> Room:
    return Room(tmp_path, INSIDE)


ATTEMPT = """
import ctypes, os, signal, socket, sys
from pathlib import Path
home, parent, port, name = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
def unix(address):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
try:
    {attempt}
except (OSError, ProcessLookupError) as error:
    print("refused")
else:
    print("went through")
"""

ATTACKS = {
    "read a private key": "(home / 'keys' / 'identity.pem').read_text()",
    "read the token": "(home / 'token').read_text()",
    "read the database": "(home / 'falaj.db').read_text()",
    "write to the database": "(home / 'falaj.db').write_text('x')",
    "list the home": "os.listdir(home)",
    "read another project's worktree": "(home / 'runs/other/worktree/code.py').read_text()",
    "write to its own worktree": "Path('module.py').write_text('X = 2')",
    "make a file in its own worktree": "Path('sitecustomize.py').write_text('')",
    "read the starter's environment": "Path(f'/proc/{parent}/environ').read_bytes()",
    "read the launcher's environment": "Path(f'/proc/{os.getppid()}/environ').read_bytes()",
    "read the starter's memory": "open(f'/proc/{parent}/mem', 'rb')",
    "read the launcher's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "trace the launcher": "call(libc.ptrace(16, os.getppid(), 0, 0))",
    "end the starter": "os.kill(parent, 0)",
    "connect to the API": "socket.create_connection(('127.0.0.1', port), 5)",
    "connect to a named socket": "unix(str(home / 'socket'))",
    "connect to an abstract socket": "unix(chr(0) + name)",
    "a socket of another kind": "socket.socket(socket.AF_VSOCK)",
    "a namespace of its own": "call(libc.unshare(0x10000000))",
    "mount something": "call(libc.mount(b'x', b'/tmp', b'tmpfs', 0, 0))",
    "change the machine's settings": "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
    "read the starter's files through /proc": "open(f'/proc/{parent}/root/etc/shadow')",
    "link a key into the scratch folder": "os.link(home / 'keys' / 'identity.pem', Path(os.environ['TMPDIR'], 'key'))",
}


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A port, a socket in the home and an abstract one, as server, Envoy and replicas have them."""
    name = f"falaj-{os.getpid()}-{tmp_path.name}"
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("127.0.0.1", 0))
        (tmp_path / "home").mkdir(exist_ok=True)
        here = os.open(tmp_path / "home", os.O_PATH)
        named.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        abstract.bind(f"\0{name}")
        for each in (tcp, named, abstract):
            each.listen()
        yield tcp.getsockname()[1], name


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused(room: Room, listening: tuple[int, str], attack: str) -> None:
    port, name = listening
    code = ATTEMPT.replace("{attempt}", attack)
    arguments = (str(room.root / "home"), str(os.getpid()), str(port), name)
    assert room.run(code, *arguments) == (0, "refused\n")


def test_the_same_attacks_go_through_without_a_wall(tmp_path: Path, listening: tuple[int, str]) -> None:
    """What the tests above show is the sandbox and nothing else."""
    room = Room(tmp_path, Sandbox(namespaces=False, landlock=0, seccomp=False))
    port, name = listening
    arguments = (str(tmp_path / "home"), str(os.getpid()), str(port), name)
    for attack in ("read a private key", "connect to the API", "connect to a named socket", "end the starter"):
        assert room.run(ATTEMPT.replace("{attempt}", ATTACKS[attack]), *arguments) == (0, "went through\n"), attack


def test_with_the_network_a_port_is_reached_and_a_socket_is_not(inside: Room, listening: tuple[int, str]) -> None:
    port, name = listening
    arguments = (str(inside.root / "home"), str(os.getpid()), str(port), name)
    reached = {
        attack: inside.run(ATTEMPT.replace("{attempt}", ATTACKS[attack]), *arguments, network=True)[1]
        for attack in ("connect to the API", "connect to a named socket", "connect to an abstract socket")
    }
    assert [*reached.values()] == ["went through\n", "refused\n", "refused\n"]


WAYS = {
    "connect": "socket.create_connection((address, port)); print('reached')",
    "multipath TCP": "s = socket.socket(2, 1, 262); s.connect((address, port)); print('reached')",
    "fast open": "socket.socket().sendto(b'x', 0x20000000, (address, port)); print('reached')",
    "fast open by a message": "socket.socket().sendmsg([b'x'], [], 0x20000000, (address, port)); print('reached')",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_port_of_the_installation_is_not_reached_with_the_network(
    room: Room, listening: tuple[int, str], way: str
) -> None:
    """Neither by its address nor by another one of this machine; other ports are."""
    port, _ = listening
    code = f"import socket\nport = {port}\nfor address in ('127.0.0.1', '0.0.0.0'):\n    try:\n        {WAYS[way]}\n"
    code += "    except OSError as error:\n        print(type(error).__name__)\n"
    assert room.run(code, network=True, closed_ports=(port,)) == (0, "PermissionError\nPermissionError\n")
    if way == "connect":
        assert room.run(code, network=True, closed_ports=(port + 1,)) == (0, "reached\nreached\n")


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(3600)", sys.argv[1]], {})
    os._exit(0)
os.wait()
print("left")
"""


def running(mark: str) -> list[int]:
    """Processes with an argument."""
    pids = []
    for pid in procfs.ids():
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        pids += [pid] * (mark.encode() in arguments and pid != os.getpid())
    return pids


def test_nothing_outlives_the_code(room: Room) -> None:
    mark = f"daemon-of-{room.root}"
    assert room.run(DAEMON, mark) == (0, "left\n")
    assert not running(mark)


def test_nothing_outlives_the_engine(room: Room) -> None:
    """Killed without a chance to do anything."""
    mark, engine = f"orphan-of-{room.root}", "import sys; exec(sys.argv[1])"
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.core.sandbox.test_launch import DAEMON, INSIDE, OUTSIDE, Room, start
room = Room(Path({str(room.root / "again")!r}), {"INSIDE" if room.sandbox.namespaces else "OUTSIDE"})
start(room.launch(DAEMON.replace('print("left")', 'time.sleep(3600)'), {mark!r}), room.sandbox).process.wait()
"""
    process = subprocess.Popen([sys.executable, "-c", engine, code])
    until(lambda: len(running(mark)) >= 2)
    process.kill()
    process.wait()
    until(lambda: not running(mark))


def test_an_ended_launcher_takes_all_with_it(room: Room) -> None:
    mark = f"killed-of-{room.root}"
    launched = start(room.launch(DAEMON.replace('print("left")', "time.sleep(3600)"), mark), room.sandbox)
    until(lambda: len(running(mark)) >= 2)
    launched.process.send_signal(signal.SIGHUP)
    assert launched.process.wait() == -signal.SIGKILL
    assert not running(mark)
    os.close(launched.receipt)
    launched.process.communicate()


def test_a_request_to_stop_reaches_the_code(room: Room) -> None:
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('on', flush=True); time.sleep(60)"
    )
    launched = start(room.launch(code), room.sandbox)
    assert launched.process.stdout is not None
    assert launched.process.stdout.read(3) == b"on\n"
    launched.process.terminate()
    assert launched.process.wait() == 7
    os.close(launched.receipt)
    launched.process.communicate()


def test_the_end_is_the_codes_own(room: Room) -> None:
    assert room.run("raise SystemExit(5)") == (5, "")
    assert room.run("import os; os.abort()")[0] == -signal.SIGABRT
    assert room.run("import os; os.kill(os.getpid(), 9)")[0] == -signal.SIGKILL


def test_a_program_that_is_not_there(room: Room) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        room.run("", command=("no-such-program",))


def test_processes_are_limited(inside: Room) -> None:
    code = """
import os, time
count = 0
try:
    while count < 2000:
        if os.fork() == 0:
            time.sleep(3600)
        count += 1
except OSError as error:
    print("refused" if 200 < count < 400 else count)
"""
    assert inside.run(code, ceilings=Ceilings(processes=400)) == (0, "refused\n")


def test_shared_memory_is_limited(inside: Room) -> None:
    code = """
with open("/dev/shm/big", "wb") as file:
    try:
        for _ in range(100):
            file.write(bytes(1 << 20))
    except OSError as error:
        print(error.strerror)
"""
    assert inside.run(code, ceilings=Ceilings(shared_memory_bytes=8 << 20)) == (0, "No space left on device\n")
    assert not Path("/dev/shm/big").exists()


def test_open_files_are_limited(room: Room) -> None:
    code = """
import os
try:
    for _ in range(1000):
        os.dup(1)
except OSError as error:
    print(error.strerror)
"""
    assert room.run(code, ceilings=Ceilings(open_files=64)) == (0, "Too many open files\n")


def test_what_contains_the_home_is_not_shown(room: Room) -> None:
    with pytest.raises(ExposedHomeError, match="lies below"):
        room.run("", readable=(room.root,))


def test_the_environment_is_what_was_named(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    outer = {"AWS_SECRET_ACCESS_KEY": "canary", "LANG": "C", "LC_ALL": "C", "HTTPS_PROXY": "http://u:canary@p"}
    assert "canary" not in str(scratch_environ(room.scratch, outer))
    assert "canary" in str(scratch_environ(room.scratch, outer, network=True)["HTTPS_PROXY"])
    assert "canary" not in room.run("import os; print(dict(os.environ))")[1]


STILL_WORKS = {
    "a subprocess": "import subprocess; print(subprocess.run(['echo', 'done'], capture_output=True, text=True).stdout)",
    "multiprocessing": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
print("done")
""",
    "processes of joblib": """
from joblib import Parallel, delayed
assert Parallel(n_jobs=2)(delayed(abs)(n) for n in (-1, -2)) == [1, 2]
print("done")
""",
    "large arrays of joblib": """
import numpy
from joblib import Parallel, delayed
big = numpy.ones(1_000_000)
assert Parallel(n_jobs=2)(delayed(numpy.sum)(big) for _ in range(2)) == [1e6, 1e6]
print("done")
""",
    "threads of polars": """
import polars
assert polars.DataFrame({"a": range(100_000)}).group_by(polars.col("a") % 7).len().height == 7
print("done")
""",
    "threads of lightgbm": """
import numpy, lightgbm
x = numpy.arange(400.0).reshape(200, 2)
lightgbm.LGBMClassifier(n_estimators=2, n_jobs=2, verbose=-1).fit(x, x[:, 0] > 200)
print("done")
""",
    "pandas": "import pandas; assert pandas.DataFrame({'a': [1, 2]}).a.sum() == 3; print('done')",
    "temporary files": """
import tempfile
from pathlib import Path
assert tempfile.gettempdir() == __import__('os').environ['TMPDIR']
Path(tempfile.mkdtemp(), "x").write_text("x")
Path.home().joinpath("x").write_text("x")
print("done")
""",
    "a module of its own": "import sys; sys.path.insert(0, ''); import module; assert module.X == 1; print('done')",
    "its own state": "open('/proc/self/status').read(); open('/proc/cpuinfo').read(); print('done')",
}


@pytest.mark.parametrize("code", STILL_WORKS.values(), ids=STILL_WORKS.keys())
def test_what_still_works(room: Room, code: str) -> None:
    assert room.run(code)[1].split() == ["done"]


def test_a_network_of_its_own(inside: Room) -> None:
    code = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"done")).start()
print(socket.create_connection(server.getsockname()).recv(4).decode())
from multiprocessing import Manager
with Manager() as manager:
    assert manager.list([1])[0] == 1
"""
    assert inside.run(code) == (0, "done\n")


@pytest.mark.parametrize("module", ["matplotlib", "numba"])
def test_libraries_with_caches(room: Room, module: str) -> None:
    code = {
        "matplotlib": "import matplotlib; matplotlib.use('agg'); from matplotlib import pyplot; "
        "pyplot.plot([1, 2]); pyplot.savefig(__import__('os').environ['TMPDIR'] + '/plot.png'); print('done')",
        "numba": "import numba; print(numba.njit(cache=False)(lambda: 'done')())",
    }[module]
    assert room.run(code) == (0, "done\n")


def test_git_describes_the_worktree(room: Room) -> None:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1", "-m", "x"]):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *identity, *command], cwd=room.root / "worktree", check=True)
    assert room.run("", command=("git", "describe")) == (0, "v1\n")


def test_several_at_once(inside: Room) -> None:
    codes: list[int] = []

    def run(number: int) -> None:
        scratch = inside.root / f"scratch-{number}"
        scratch.mkdir()
        code = f"import os; assert os.getpid() == 2; raise SystemExit({number})"
        codes.append(inside.run(code, scratch=scratch)[0])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == list(range(8))
