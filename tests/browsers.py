"""A real Chromium without a window, steered over a pipe, with a security key in software; where one is installed.

Source: Chrome DevTools Protocol, domains Target, Page, Runtime and WebAuthn; `--remote-debugging-pipe`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

_FETCHED = Path(__file__).parents[1] / ".tools/chromium/chromium"
CHROMIUM = (
    os.environ.get("FALAJ_TEST_CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("google-chrome")
    or (str(_FETCHED) if _FETCHED.exists() else "")
)
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip


@dataclass
class Page:
    """A tab.

    Attributes:
        console: What the browser complained about, such as a policy that was broken.
    """

    to: BinaryIO
    out: BinaryIO
    session: str = ""
    console: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call the browser and wait for its answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        while (answer := self._next()).get("id") != number:
            happened, about = answer.get("method"), answer.get("params", {})
            if happened == "Runtime.exceptionThrown" or about.get("entry", {}).get("source") == "security":
                self.console.append(json.dumps(about))
        assert "error" not in answer, answer
        return dict(answer["result"])

    def run(self, script: str) -> Any:
        """What an expression is in the page."""
        reply = self.call("Runtime.evaluate", expression=script, userGesture=True, awaitPromise=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (char := self.out.read(1)) != b"\0":
            assert char, "the browser is gone"
            text += char
        return dict(json.loads(text))


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """Open a browser with a security key that its person touches at once.

    Args:
        folder: For its profile.
    """
    read_by, write_to = os.pipe()
    read_from, written_by = os.pipe()

    def hand_over() -> None:
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (read_by, written_by)]  # neither is 3 or 4 now
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    process = subprocess.Popen(
        [CHROMIUM, f"--user-data-dir={folder}", *_FLAGS],
        preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_by)
    os.close(written_by)
    with os.fdopen(write_to, "wb") as to, os.fdopen(read_from, "rb") as out:
        page = Page(to, out)
        target = page.call("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("WebAuthn.enable")
        page.call(
            "WebAuthn.addVirtualAuthenticator",
            options={
                "protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True,
                "automaticPresenceSimulation": True,
            },
        )  # fmt: skip
        try:
            yield page
        finally:
            process.kill()
            process.wait()
