"""The one place that runs git: no shell, no prompts, no foreign settings, never without a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from falaj.integrations.git.errors import GitUnavailableError
from falaj.integrations.git.ref_validation import redact

# Settings that a repository or a remote could use to run something, or to make git wait for an answer.
_SETTINGS = (
    "protocol.ext.allow=never",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "credential.interactive=never",
    "advice.detachedHead=false",
    "gc.autoDetach=false",
    "fetch.recurseSubmodules=no",
    "http.followRedirects=false",  # and no alternates: both lead where nobody looked
)
# What a caller may have set on purpose; every other GIT_* variable (GIT_DIR inside a hook!) is dropped.
_INHERITED = frozenset({"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_CONFIG_GLOBAL"})

TIMEOUT_S = 60.0


def git(*arguments: str, cwd: Path | None = None, timeout_s: float = TIMEOUT_S, settings: tuple[str, ...] = ()) -> str:
    """Run git and return what it printed.

    Args:
        arguments: Subcommand and its arguments; whatever a user gave comes after `--end-of-options` or `--`.
        cwd: The repository.
        timeout_s: After this many seconds git and everything that it started is killed.
        settings: `name=value`, besides those that always hold.

    Returns:
        Standard output, without the last newline.

    Raises:
        GitUnavailableError: `git.failed` with git's own last words, `git.timeout` or `git.not-installed`.
    """
    process = _start(arguments, cwd, settings)
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise GitUnavailableError(
            f"git {arguments[0]} did not finish in {timeout_s:g} seconds",
            where=_place(arguments, cwd),
            code="git.timeout",
        ) from None
    except BaseException:
        _kill(process)
        raise
    if process.returncode != 0:
        raise GitUnavailableError(
            f"git {arguments[0]} failed: {_last_words(errors)}", where=_place(arguments, cwd), code="git.failed"
        )
    return output.decode(errors="replace").removesuffix("\n")


def environment(outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment git runs in: the outer one without its GIT_* variables, and with prompts off."""
    inherited = {key: value for key, value in outer.items() if not key.startswith("GIT_") or key in _INHERITED}
    return {
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
        **inherited,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
    }


def _start(arguments: tuple[str, ...], cwd: Path | None, settings: tuple[str, ...]) -> subprocess.Popen[bytes]:
    setting_options = [part for setting in (*_SETTINGS, *settings) for part in ("-c", setting)]
    try:
        return subprocess.Popen(
            ["git", *setting_options, *arguments],
            cwd=cwd,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise GitUnavailableError("the repository's folder is gone", where=str(cwd)) from error
        raise GitUnavailableError(
            "git is not installed", hint="install git 2.30 or newer", code="git.not-installed"
        ) from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group: git talks through helpers that outlive it."""
    with suppress(ProcessLookupError):  # it may end by itself meanwhile
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _last_words(errors: bytes) -> str:
    """Return the line in which git says why, without credentials."""
    lines = [redact_words(line) for line in errors.decode(errors="replace").splitlines() if line.strip()]
    fatal_lines = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal_lines or lines or ["it gave no reason"])[0][:500]


def redact_words(line: str) -> str:
    """Return the line with every URL in it redacted."""
    return " ".join(redact(word.strip("'")) if "://" in word else word for word in line.split(" "))


def _place(arguments: tuple[str, ...], cwd: Path | None) -> str:
    urls = [redact(argument) for argument in arguments if "://" in argument or argument.startswith("/")]
    return urls[0] if urls else str(cwd or "")
