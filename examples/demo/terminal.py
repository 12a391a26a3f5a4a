"""How the demo shows commands, runs them, and waits."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape

from demo.outcomes import Chapter, Ending

Answer = TypeVar("Answer")
Stage = TypeVar("Stage")
CHECKOUT = Path(__file__).resolve().parents[2]
SCRATCH = CHECKOUT / ".demo"
PROJECT = SCRATCH / "flights"
FALAJ = Path(sys.executable).with_name("falaj")
LOGS = f"{(SCRATCH / 'home' / 'logs').relative_to(CHECKOUT)} says more"
PATIENCE_S = 600.0
"""Guards against waiting forever; nothing is decided by it, however busy the machine is."""
POLL_S = 0.2

console = Console(highlight=False)


class DemoError(Exception):
    """A command or the platform did not do what the demo shows."""


class Headings:
    """Prints a heading before each chapter, and after it how long it took."""

    def __init__(self) -> None:
        self._began = 0.0

    def begin(self, chapter: Chapter[Stage]) -> None:
        """Print the heading of a chapter."""
        console.print()
        console.rule(f"[bold]{escape(chapter.title)}[/]", align="left", style="dim")
        console.print(f"[dim]{escape(chapter.shows)}[/]")
        self._began = time.monotonic()

    def end(self, ending: Ending) -> None:
        """Print how long the chapter took, and what was unlikely about its end."""
        if ending.chance is not None:
            console.print(f"[yellow]{escape(str(ending))}; the demo goes on[/]")
        console.print(f"[dim]{time.monotonic() - self._began:.1f} s[/]", justify="right")


def falaj(*arguments: object, stdin_text: str = "") -> None:
    """Show a `falaj` command and run it as a user would.

    Raises:
        DemoError: It failed.
    """
    command = [str(FALAJ), *map(str, arguments)]
    show_command("falaj", *arguments)
    if subprocess.run(command, check=False, input=stdin_text or None, text=True).returncode:
        raise DemoError(f"falaj {' '.join(command[1:])} failed; {LOGS}")


def falaj_quietly(*arguments: object, stdin_text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a `falaj` command without showing it; whether it failed is for the caller to see."""
    command = [str(FALAJ), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, input=stdin_text, text=True)


def read_json(*arguments: object, stdin_text: str = "") -> Any:
    """The answer of a `falaj` command as JSON.

    Raises:
        DemoError: It failed.
    """
    process = falaj_quietly(*arguments, "--json", stdin_text=stdin_text)
    if process.returncode:
        raise DemoError(f"falaj {' '.join(map(str, arguments))} failed: {process.stderr.strip()}")
    return json.loads(process.stdout)


def refused(*command: object) -> None:
    """Run a command that must fail, and show how it does.

    Raises:
        DemoError: It did not fail.
    """
    show_command(*("falaj" if word == FALAJ else word for word in command))
    process = subprocess.run([*map(str, command)], check=False, text=True, capture_output=True)
    if process.returncode == 0:
        raise DemoError(f"{' '.join(map(str, command[1:]))} should have been refused")
    lines = [line for line in (process.stderr or process.stdout).rstrip().splitlines() if not line.startswith("ok ")]
    console.print(escape("\n".join(lines[-3:])), style="yellow", soft_wrap=True)


def git(*arguments: object) -> None:
    """Show a git command and run it in the project."""
    show_command("git", *arguments)
    if printed := git_quietly(*arguments):
        console.print(escape(printed))


def git_quietly(*arguments: object) -> str:
    """Run a git command in the project; return what it printed.

    Raises:
        DemoError: It failed.
    """
    process = subprocess.run(["git", *map(str, arguments)], cwd=PROJECT, check=False, text=True, stdout=subprocess.PIPE)
    if process.returncode:
        raise DemoError(f"git {' '.join(map(str, arguments))} failed")
    return process.stdout.rstrip()


def show_command(*words: object, prompt: str = "$") -> None:
    """Print a command as it would be typed."""
    alone = len(words) == 1
    text = " ".join(str(word) if alone or " " not in str(word) else f"'{word}'" for word in words)
    line = escape(text.replace(f"{CHECKOUT}/", ""))
    console.print(f"[bold cyan]{prompt}[/] [bold]{line}[/]", soft_wrap=True)


def say(text: str) -> None:
    """Print a sentence between commands."""
    console.print(f"\n[dim]{escape(text)}[/]", soft_wrap=True)


def wait_for(what: str, ready: Callable[[], Answer | None]) -> Answer:
    """Ask again and again until there is an answer.

    Raises:
        DemoError: There was none for so long that something must hang.
    """
    deadline = time.monotonic() + PATIENCE_S
    with console.status(f"waiting for {what}"):
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            time.sleep(POLL_S)
    raise DemoError(f"waited {PATIENCE_S:.0f} s for {what}; {LOGS}")
