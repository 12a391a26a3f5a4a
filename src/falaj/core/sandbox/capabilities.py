"""Which parts of the sandbox this machine's kernel offers."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from falaj.core.sandbox import landlock, seccomp
from falaj.core.sandbox.launch import Launch, run_to_end

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Sandbox:
    """What stands between code of a project and the machine.

    Args:
        namespaces: It has process ids, mounts, network and shared memory of its own.
        landlock: Version of Landlock; 0 for none.
        seccomp: Calls that reach other processes and the kernel are refused.
        why_not: Why there are no namespaces; empty when there are.
    """

    namespaces: bool
    landlock: int
    seccomp: bool
    why_not: str = ""

    @property
    def hides_files(self) -> bool:
        """Whether files that are not named cannot be read."""
        return self.namespaces or self.landlock > 0

    @property
    def separates_network(self) -> bool:
        """Whether a step without `network: true` reaches nobody."""
        return self.namespaces or self.seccomp

    def __str__(self) -> str:
        """In the words of provenance: the parts that hold."""
        parts = {"namespaces": self.namespaces, f"landlock-{self.landlock}": self.landlock, "seccomp": self.seccomp}
        return " ".join(name for name, holds in parts.items() if holds) or "none"


_SECLUDED = (
    "from falaj.core.sandbox import offered, seclude\n"
    "try:\n    seclude({})\n"
    "except OSError as error:\n    raise SystemExit(f'it cannot hide the keys: {error.strerror}')\n"
    "raise SystemExit(offered().why_not or 0)\n"
)


def why_not_inside_worker() -> str:
    """Why a process that hides the keys from itself cannot start code in namespaces; empty when it can.

    What the kernel gives to any process it may refuse to one that has given up its rights.
    """
    command = [sys.executable, "-c", _SECLUDED]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    return process.stderr.strip().rpartition("\n")[2] if process.returncode else ""


@functools.cache
def offered() -> Sandbox:
    """What the kernel offers; the namespaces are tried, by a process that ends at once."""
    version, filters = max(0, landlock.version()), seccomp.supported()
    why_not = _try_namespaces()
    return Sandbox(not why_not, version, filters, why_not)


def _try_namespaces() -> str:
    """Why a process cannot have namespaces of its own; empty when it can."""
    sandbox = Sandbox(namespaces=True, landlock=0, seccomp=False)
    with tempfile.TemporaryDirectory(prefix="falaj-sandbox-") as scratch:
        folder = Path(scratch)
        python = str(Path(sys.executable).resolve())
        launch = Launch((python, "-I", "-S", "-c", ""), folder, {}, (Path(sys.base_prefix),), scratch=folder)
        try:
            code, _ = run_to_end(launch, sandbox, _PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return f"a process in them ended with {code}" if code else ""
