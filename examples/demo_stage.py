"""The stage of the demo: its folders, and how commands are shown and run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

CHECKOUT = Path(__file__).resolve().parents[1]
SCRATCH = CHECKOUT / ".demo"
PROJECT = SCRATCH / "flights"
FALAJ = Path(sys.executable).with_name("falaj")

console = Console(highlight=False)


@contextmanager
def chapter(title: str, what: str) -> Iterator[None]:
    """Print a heading, and after what follows how long it took."""
    console.print()
    console.rule(f"[bold]{title}[/]", align="left", style="dim")
    console.print(f"[dim]{what}[/]")
    began = time.monotonic()
    yield
    console.print(f"[dim]{time.monotonic() - began:.1f} s[/]", justify="right")


def falaj(*arguments: object, quiet: bool = False, given: str = "") -> None:
    """Run a `falaj` command as a user would; end the demo when it fails."""
    command = [str(FALAJ), *map(str, arguments)]
    if quiet:
        subprocess.run(command, check=False, capture_output=True, input=given, text=True)
        return
    show_command("falaj", *arguments)
    if subprocess.run(command, check=False, input=given or None, text=True).returncode:
        sys.exit(f"falaj {' '.join(command[1:])} failed; {SCRATCH}/home/logs says more")


def refused(*command: object) -> None:
    """Run a command that must fail, and show how it does; end the demo when it does not."""
    show_command(*("falaj" if word == FALAJ else word for word in command))
    done = subprocess.run([*map(str, command)], check=False, text=True, capture_output=True)
    if done.returncode == 0:
        sys.exit("that should have been refused")
    lines = [line for line in (done.stderr or done.stdout).rstrip().splitlines() if not line.startswith("ok ")]
    console.print(escape("\n".join(lines[-3:])), style="yellow", soft_wrap=True)


def read_json(*arguments: str, given: str = "") -> Any:
    """The answer of a `falaj` command as JSON."""
    command = [str(FALAJ), *arguments, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=given)
    return json.loads(done.stdout)


def run_of(commit_id: str) -> Any:
    """The run of a commit, or None when there is none yet."""
    return next((run for run in read_json("runs") if run["commit"] == commit_id), None)


def commit(message: str) -> None:
    """Commit everything in the project."""
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


def git(*arguments: object, quiet: bool = False) -> str:
    """Run a git command in the project; return what it printed."""
    if not quiet:
        show_command("git", *arguments)
    done = subprocess.run(["git", *map(str, arguments)], cwd=PROJECT, check=True, text=True, stdout=subprocess.PIPE)
    if done.stdout and not quiet:
        console.print(escape(done.stdout.rstrip()))
    return done.stdout


def show_command(*words: object, prompt: str = "$") -> None:
    """Print a command as it would be typed."""
    alone = len(words) == 1
    text = " ".join(str(word) if alone or " " not in str(word) else f"'{word}'" for word in words)
    line = escape(text.replace(f"{CHECKOUT}/", ""))
    console.print(f"[bold cyan]{prompt}[/] [bold]{line}[/]", soft_wrap=True)


def wait_for(what: str, ready: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Ask again and again until the answer is not empty; end the demo after the time."""
    deadline = time.monotonic() + timeout_s
    with console.status(f"waiting for {what}"):
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            time.sleep(0.2)
    sys.exit(f"waited {timeout_s:.0f} s for {what}; {SCRATCH}/home/logs says more")


def free_ports(count: int) -> list[int]:
    """Ports on the loopback interface that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
