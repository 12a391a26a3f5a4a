"""Bad input through the real command line: each a clear error that says what, where and how to go on."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.installation import Installation, free_port, installed, processes_of
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.e2e

HEAD = "model: bad\nowner: a@example.org\n"
GOOD = HEAD + "pipeline:\n  count: {run: 'bad.steps:count'}\n"
STEPS = """
    import time

    def count() -> int:
        return 1

    def promise() -> int:
        return object()

    def read(table: str) -> int:
        return len(table)

    def hoard() -> int:
        held = []
        while True:
            held.append(bytearray(16 << 20))
            time.sleep(0.01)

    def hang() -> int:
        time.sleep(600)
        return 1
"""


@dataclass(frozen=True)
class Mistake:
    """A project file that is wrong, and what must be said of it."""

    name: str
    text: str
    messages: tuple[str, ...]


FILES = [
    Mistake("broken YAML", HEAD + "pipeline:\n  count: {run: 'bad.steps:count'\n", ("falaj.yaml:5:1",)),
    Mistake("unknown key", GOOD + "gatez: []\n", ("falaj.yaml:5:1", "gatez", "gates")),
    Mistake(
        "cycle",
        HEAD + "pipeline:\n  a: {run: 'bad.steps:read', inputs: [b]}\n  b: {run: 'bad.steps:read', inputs: [a]}\n",
        ("falaj.yaml:4:", "wait for each other", "a -> b"),
    ),
    Mistake("missing module", HEAD + "pipeline:\n  a: {run: 'bad.stepz:count'}\n", ("falaj.yaml:4:", "bad.stepz")),
    Mistake(
        "missing function",
        HEAD + "pipeline:\n  a: {run: 'bad.steps:coumt'}\n",
        ("falaj.yaml:4:", "coumt", "count"),
    ),
]
BREAKING = [
    Mistake("wrong output type", HEAD + "pipeline:\n  a: {run: 'bad.steps:promise'}\n", ("step a", "object")),
    Mistake(
        "unreadable source",
        HEAD
        + "data:\n  gone: {source: 'file://data/gone.csv', classification: public, origin: US}\n"
        + "pipeline:\n  a: {run: 'bad.steps:read', inputs: [gone]}\n",
        ("data/gone.csv",),
    ),
    Mistake(
        "too much memory",
        HEAD + "pipeline:\n  a: {run: 'bad.steps:hoard', resources: {memory: 200Mi}}\n",
        ("step a", "memory", "200"),
    ),
    Mistake("hangs", HEAD + "pipeline:\n  a: {run: 'bad.steps:hang', timeout: 2s}\n", ("step a", "2 s")),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("bad-input") / "home") as instance:
        yield instance


@pytest.fixture(scope="module")
def checkout(platform: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that pushes to the platform; each test writes its own project file into it."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "src" / "bad").mkdir(parents=True)
    (folder / "src" / "bad" / "__init__.py").touch()
    (folder / "src" / "bad" / "steps.py").write_text(dedent(STEPS))
    return platform.repository(folder, "bad")


def named(mistake: Mistake) -> str:
    return mistake.name


def says(text: str, *parts: str) -> bool:
    missing = [part for part in parts if part not in text]
    assert not missing, f"{missing} not said in: {text}"
    return True


def runs_of(platform: Installation, checkout: Path) -> int:
    return len(platform.json("run", "list", "--project", "bad", "--limit", "100"))


@pytest.mark.parametrize("mistake", FILES, ids=named)
def test_a_wrong_project_file_fails_its_run_and_the_terminal_alike(
    platform: Installation, checkout: Path, mistake: Mistake
) -> None:
    (checkout / "falaj.yaml").write_text(mistake.text)
    for command in (("validate",), ("run", "-C")):
        refused = platform.falaj(*command, str(checkout))
        assert refused.returncode == 2 and says(refused.stderr, *mistake.messages)
    run = platform.ended(platform.push(checkout, mistake.name))
    assert run["state"] == "failed" and says(run["reason"], *mistake.messages)
    assert run["steps"] == [] and platform.json("release", "list") == []


@pytest.mark.parametrize("mistake", BREAKING, ids=named)
def test_a_step_that_goes_wrong_fails_its_run_with_the_reason(
    platform: Installation, checkout: Path, mistake: Mistake
) -> None:
    (checkout / "falaj.yaml").write_text(mistake.text)
    run = platform.ended(platform.push(checkout, mistake.name))
    assert run["state"] == "failed" and says(run["reason"], *mistake.messages)
    assert platform.json("release", "list") == []
    alone = platform.falaj("run", "-C", str(checkout))
    assert alone.returncode == 1 and says(alone.stdout + alone.stderr, *mistake.messages)
    until(lambda: not [c for c in processes_of(platform.home).values() if "task.json" in c])


def test_a_good_push_after_all_of_them_succeeds(platform: Installation, checkout: Path) -> None:
    (checkout / "falaj.yaml").write_text(GOOD)
    assert platform.ended(platform.push(checkout, "Good"))["state"] == "succeeded"


def test_branches_that_are_not_built_or_are_deleted_start_nothing(platform: Installation, checkout: Path) -> None:
    (checkout / "falaj.yaml").write_text(GOOD)
    before = runs_of(platform, checkout)
    platform.git("push", "-q", "falaj", "HEAD:refs/heads/other", cwd=checkout)
    platform.git("push", "-q", "falaj", ":refs/heads/other", cwd=checkout)
    platform.git("tag", "-f", "v1", cwd=checkout)
    platform.git("push", "-q", "-f", "falaj", "v1", cwd=checkout)
    assert runs_of(platform, checkout) == before


@pytest.mark.parametrize("pruned", [False, True], ids=["kept", "pruned"])
def test_a_branch_is_deleted_before_its_run(platform: Installation, checkout: Path, pruned: bool) -> None:
    (checkout / "falaj.yaml").write_text(HEAD + "pipeline:\n  a: {run: 'bad.steps:hang', timeout: 3s}\n")
    busy = platform.push(checkout, "Keeps the worker busy")
    (checkout / "falaj.yaml").write_text(GOOD + f"# deleted, {pruned}\n")
    commit = platform.push(checkout, "To be deleted")
    bare = platform.home / "repos" / "bad.git"
    platform.git("update-ref", "-d", "refs/heads/main", cwd=bare)
    if pruned:
        platform.git("gc", "-q", "--prune=now", cwd=bare)
    assert platform.ended(busy)["state"] == "failed"
    ended = platform.ended(commit)
    assert ended["state"] == ("failed" if pruned else "succeeded"), ended["reason"]
    assert not pruned or says(ended["reason"], commit, "branch deleted")


def test_what_does_not_exist_is_said_to(platform: Installation, checkout: Path) -> None:
    commit = platform.git("rev-parse", "HEAD", cwd=checkout)
    before = len(platform.json("run", "list", "--limit", "100"))
    for arguments in (
        ("run", "start", "nobody", commit), ("run", "show", "zzz"), ("release", "show", "nobody@1"), ("trace", "zzz"),
        ("predict", "dev/nobody", "--row", "{}"), ("run", "logs", "last", "no-such-step"),
    ):  # fmt: skip
        refused = platform.falaj(*arguments)
        assert refused.returncode == 3, (arguments, refused.stdout, refused.stderr)
        assert "fix:" in refused.stderr or "code:" in refused.stderr
    assert len(platform.json("run", "list", "--limit", "100")) == before


def test_a_run_of_an_unknown_commit_fails_and_says_so(platform: Installation, checkout: Path) -> None:
    started = platform.json("run", "start", "bad", "0123456789" * 4)
    run = until(lambda: r if (r := platform.json("run", "show", started["id"]))["state"] == "failed" else None)
    assert says(run["reason"], "0123456789", "commit")


def test_up_twice_is_refused(platform: Installation) -> None:
    server = platform.pid("server")
    refused = platform.falaj("up")
    assert refused.returncode == 4 and says(refused.stderr, "running already", "falaj down")
    assert platform.pid("server") == server


@pytest.mark.parametrize("busy_service", ["server", "gateway"])
def test_a_port_in_use_starts_nothing(tmp_path: Path, busy_service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ports = (port, free_port()) if busy_service == "server" else (free_port(), port)
        one = Installation(tmp_path / "home", ports)
        refused = one.falaj("up", "--port", str(ports[0]), "--gateway-port", str(ports[1]))
    option = "--port" if busy_service == "server" else "--gateway-port"
    assert refused.returncode == 6 and says(refused.stderr, f"port {port}", "in use by", f"falaj up {option}")
    assert processes_of(one.home) == {}
    assert not (one.home / "ports.json").exists(), "the ports that failed must not be the next ones tried"


@pytest.mark.parametrize("busy_service", ["server", "gateway"])
def test_the_port_of_another_installation_is_in_use_too(
    platform: Installation, tmp_path: Path, busy_service: str
) -> None:
    port = platform.ports[0] if busy_service == "server" else platform.ports[1]
    ports = {"server": free_port(), "gateway": free_port()} | {busy_service: port}
    other = Installation(tmp_path / "home", (ports["server"], ports["gateway"]))
    refused = other.falaj("up", "--port", str(ports["server"]), "--gateway-port", str(ports["gateway"]))
    assert refused.returncode == 6 and says(refused.stderr, f"port {port}", "in use by")
    assert platform.json("status")["server"] == "ok"


@pytest.fixture(scope="module")
def live(platform: Installation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a live model: the project of `falaj init`, pushed."""
    project = platform.plain_template(tmp_path_factory.mktemp("live") / "tumours")
    run = platform.ended(platform.push(platform.repository(project, "tumours")))
    assert run["state"] == "succeeded", run["reason"] + platform.logs()
    ready = until(lambda: [e for e in platform.json("endpoint", "list") if e["state"] == "ready"], platform.logs)
    return str(ready[0]["url"])


ROW = {
    "radius": 17.9, "texture": 10.3, "perimeter": 122.8, "area": 1001.0, "smoothness": 0.11, "compactness": 0.27,
    "concavity": 0.3, "concave_points": 0.14, "symmetry": 0.24, "fractal_dimension": 0.07,
}  # fmt: skip


def without(name: str) -> dict[str, Any]:
    return {column: value for column, value in ROW.items() if column != name}


@pytest.mark.parametrize(
    ("row", "expected_words"),
    [
        (ROW | {"radius": "wide"}, ("radius", "str")),
        (ROW | {"radius": [1, 2]}, ("radius",)),
        (ROW | {"radius": True}, ("radius",)),
        (ROW | {"radius": float("nan")}, ("radius",)),
        (without("area"), ("area",)),
        (ROW | {"colour": 1.0}, ("colour",)),
    ],
    ids=["text", "list", "boolean", "NaN", "missing column", "unknown column"],
)
def test_a_wrong_row_is_refused_by_field(
    platform: Installation, live: str, row: dict[str, Any], expected_words: Any
) -> None:
    refused = platform.falaj("predict", "dev/tumours", "--row", json.dumps(row))
    assert refused.returncode == 2 and says(refused.stderr, *expected_words)


def test_a_body_of_100_mb_is_refused_and_the_next_row_is_answered(platform: Installation, live: str) -> None:
    where = urlsplit(live)
    connection = http.client.HTTPConnection(where.netloc, timeout=HANGS_AFTER_S)
    body = b'{"dataframe_records": ["' + b"x" * 100_000_000 + b'"]}'
    with suppress(BrokenPipeError, ConnectionResetError):  # refused while it was being sent
        connection.request("POST", f"{where.path}/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 413 and b"large" in response.read()
    platform.ok("predict", "dev/tumours", "--row", json.dumps(ROW))


@pytest.mark.parametrize("damaged", ["model", "evidence", "claim"])
def test_a_tampered_bundle_is_not_verified(platform: Installation, live: str, tmp_path: Path, damaged: str) -> None:
    bundle = tmp_path / "bundle"
    platform.ok("release", "export", "tumours@1", str(bundle))
    platform.ok("release", "verify", str(bundle))
    path = {
        "model": bundle / "model" / "MLmodel", "evidence": sorted((bundle / "evidence").iterdir())[0],
        "claim": bundle / "release.json",
    }[damaged]  # fmt: skip
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    refused = platform.falaj("release", "verify", str(bundle))
    assert refused.returncode == 5, refused.stdout + refused.stderr
    assert "NOT verified" in refused.stdout or "error:" in refused.stderr
