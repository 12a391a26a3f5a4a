"""Pushes to a real bare repository, with the server up, down, broken and slow."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from falaj.core.errors import ConflictError
from falaj.core.home import Home
from falaj.integrations.git import GitMissingError, SpooledPush, create_remote, drain, install_hook, post_receive
from falaj.integrations.git.post_receive import deliver
from tests.waiting import until

from .conftest import Checkout, Receiver

pytestmark = pytest.mark.integration


def waiting(home: Home) -> list[Path]:
    return sorted((home.root / "spool" / "pushes").glob("*.json"))


def until_delivered(home: Home) -> None:
    until(lambda: not waiting(home))


def drained(home: Home) -> list[SpooledPush]:
    pushes: list[SpooledPush] = []
    drain(home.root, pushes.append)
    return pushes


@pytest.fixture
def closed_port(home: Home) -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    home.save_ports({"server": port})
    return port


def test_a_push_is_posted_to_the_server(home: Home, checkout: Checkout, receiver: Receiver) -> None:
    home.save_ports({"server": receiver.port})
    assert home.token
    remote = create_remote(home, "flight-delay")
    commit = checkout.commit("one")
    shown = checkout.git("push", str(remote), "main")
    assert f"falaj: flight-delay refs/heads/main is now {commit[:12]}" in shown
    receiver.wait()
    path, headers, body = receiver.requests[0]
    push = json.loads(body)
    assert len(push.pop("delivery")) == 32
    assert push == {"project": "flight-delay", "ref": "refs/heads/main", "before": "0" * 40, "after": commit}
    assert (path, headers["authorization"]) == ("/api/v1/triggers/push", f"Bearer {home.token}")
    until_delivered(home)


def test_every_ref_of_a_push_is_announced_once(home: Home, checkout: Checkout, closed_port: int) -> None:
    remote = create_remote(home, "flight-delay")
    commit = checkout.commit("one")
    checkout.git("tag", "v1")
    checkout.git("push", str(remote), "main", "main:side", "v1", "main:refs/notes/x")
    checkout.git("push", str(remote), ":side")
    pushes = drained(home)
    assert {push.ref for push in pushes} == {"refs/heads/main", "refs/heads/side", "refs/tags/v1"}
    assert len({push.delivery for push in pushes}) == len(pushes) == 4
    assert pushes[-1] == SpooledPush("flight-delay", "refs/heads/side", commit, "0" * 40, pushes[-1].delivery)
    assert drained(home) == []


def test_nothing_is_lost_while_the_server_is_down(
    home: Home, checkout: Checkout, closed_port: int, receiver: Receiver
) -> None:
    remote = create_remote(home, "flight-delay")
    first = checkout.commit("one")
    checkout.git("push", str(remote), "main")
    assert len(waiting(home)) == 1
    home.save_ports({"server": receiver.port})
    assert home.token
    second = checkout.commit("two")
    checkout.git("push", str(remote), "main")
    receiver.wait(2)
    assert [json.loads(body)["after"] for _, _, body in receiver.requests] == [first, second]
    until_delivered(home)


def test_a_server_that_never_answers_does_not_slow_the_push(home: Home, checkout: Checkout) -> None:
    remote = create_remote(home, "flight-delay")
    assert home.token
    checkout.commit("one")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        home.save_ports({"server": silent.getsockname()[1]})
        checkout.git("push", str(remote), "main")
        assert len(waiting(home)) == 1


@pytest.mark.parametrize("damage", ["settings", "home", "python", "script"])
def test_a_broken_hook_never_fails_the_push(home: Home, checkout: Checkout, damage: str, tmp_path: Path) -> None:
    remote = create_remote(home, "flight-delay")
    match damage:
        case "settings":
            (remote / "falaj.json").write_text("{")
        case "home":
            (remote / "falaj.json").write_text(json.dumps({"home": "/proc/nowhere", "project": "x"}))
        case "python":
            hook = remote / "hooks" / "post-receive"
            hook.write_text(hook.read_text().replace("python", "no-such-python"))
        case "script":
            (remote / "hooks" / "falaj-post-receive.py").unlink()
    commit = checkout.commit("one")
    checkout.git("push", str(remote), "main")
    assert checkout.git("ls-remote", str(remote), "refs/heads/main").startswith(commit)


def test_another_installation_on_the_port_is_not_sent_the_token(
    home: Home, checkout: Checkout, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.home = Home(tmp_path / "another", {}).prepare()
    home.save_ports({"server": receiver.port})
    post_receive.spool(home.root, {"project": "p", "delivery": "d"})
    assert home.token
    with pytest.raises(OSError, match="another installation"):
        post_receive.deliver(home.root)
    assert not receiver.requests
    assert [each for each in receiver.questions if "Authorization" in each] == []
    assert [path.name for path in (home.root / "spool" / "pushes").iterdir()] == ["d.json"]


def test_what_the_server_refuses_is_set_aside_and_holds_up_nothing(home: Home, receiver: Receiver) -> None:
    home.save_ports({"server": receiver.port})
    assert home.token
    folder = home.root / "spool" / "pushes"
    folder.mkdir(parents=True)
    for number, name in enumerate(("refused", "later", "known", "fine")):
        (folder / f"{name}.json").write_text("{}")
        os.utime(folder / f"{name}.json", (number, number))
    receiver.answers = [404, 503, 409, 200]
    deliver(home.root)
    assert [path.name for path in waiting(home)] == ["later.json"]
    assert [path.name for path in (folder / "refused").iterdir()] == ["refused.json"]


def test_a_push_on_which_the_server_fails_stays_and_the_others_are_taken(home: Home) -> None:
    folder = home.root / "spool" / "pushes"
    folder.mkdir(parents=True)
    fields = {"ref": "refs/heads/main", "before": "0" * 40, "after": "a" * 40}
    for name in ("bad", "good"):
        (folder / f"{name}.json").write_text(json.dumps(fields | {"project": name, "delivery": name}))
    for name, text in {
        "torn": '{"proj',
        "odd": '{"a": 1}',
        "typed": json.dumps(fields | {"project": 1, "delivery": "x"}),
    }.items():
        (folder / f"{name}.json").write_text(text)

    def take(push: SpooledPush) -> None:
        if push.project == "bad":
            raise OSError("the disk is full")

    with pytest.raises(ExceptionGroup):
        drain(home.root, take)
    assert [path.name for path in waiting(home)] == ["bad.json"]
    assert len(list(folder.glob("*.unreadable"))) == 3


def test_making_a_remote_again_keeps_it(home: Home, checkout: Checkout, closed_port: int) -> None:
    remote = create_remote(home, "flight-delay")
    commit = checkout.commit("one")
    checkout.git("push", str(remote), "main")
    assert create_remote(home, "flight-delay") == remote
    assert checkout.git("ls-remote", str(remote), "refs/heads/main").startswith(commit)


def test_the_hook_of_a_server_elsewhere_on_the_machine(
    home: Home, checkout: Checkout, tmp_path: Path, closed_port: int
) -> None:
    other = tmp_path / "it's a server.git"
    checkout.git("init", "--quiet", "--bare", str(other))
    install_hook(home, other, "fraud")
    checkout.commit("one")
    checkout.git("push", str(other), "main")
    assert [push.project for push in drained(home)] == ["fraud"]


def test_a_foreign_hook_is_left_alone(home: Home, checkout: Checkout, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    checkout.git("init", "--quiet", "--bare", str(other))
    hook = other / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(ConflictError, match="make it end with"):
        install_hook(home, other, "fraud")
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"


def test_a_hook_needs_a_repository(home: Home, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(GitMissingError) as caught:
            install_hook(home, path, "fraud")
        assert caught.value.code == "git.no-repository"
