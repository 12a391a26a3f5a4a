"""An installation with people and with something to see, and a browser that reads its web UI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from falaj.api.platform import Platform
from falaj.control.runs import queue
from falaj.core.home import Home
from falaj.sdk import Client
from falaj.storage import RunRow, StepRunRow
from falaj.trust.identity import offer_setup
from tests.browsers import Page, browsing
from tests.databases import migrated_sqlite
from tests.platforms import Served, answering, fill
from tests.waiting import until

AXE = Path(__file__).parents[2] / "ui/node_modules/axe-core/axe.min.js"
NAME, PASSWORD = "root", "correct horse battery"
ERROR = "ValueError: column 'carrier' has 3 values that training did not see"
LOG = "".join(f"epoch {number}\n" for number in range(1, 400)) + (
    f'Traceback (most recent call last):\n  File "steps.py", line 12, in fit\n{ERROR}\n'
)


@contextmanager
def installed(folder: Path) -> Iterator[Served]:
    """A server with a finished run, a release that is served, a failed run, and an administrator."""
    database = migrated_sqlite(folder / "falaj.db")
    platform = Platform(Home(folder / "home", {}).prepare(), database)
    with answering(platform):
        served = fill(platform, folder)
        _administrator(platform)
        yield served
    database.close()


def fail_run(platform: Platform) -> str:
    """A run that broke in its step `fit`; its id."""
    log = platform.store.put_bytes(LOG.encode()).digest
    order = queue.RunOrder("flights", "3d" * 20, trigger="push", ref="refs/heads/main")
    failure = {"code": "run.step-failed", "message": ERROR, "where": "steps.py:12", "hint": "map it to `other`"}
    with platform.database.transaction() as session:
        run_id = queue.enqueue(session, platform.processes, order, 1100.0)[0].id
        run = session.get_one(RunRow, run_id)
        run.state, run.reason, run.started_at, run.ended_at = "failed", "step fit failed", 1100.0, 1160.0
        for position, (node, state, detail) in enumerate([
            ("load", "succeeded", {"metrics": {"rows": 5000}}), ("fit", "failed", {**failure, "log": log}),
        ]):  # fmt: skip
            session.add(StepRunRow(
                run_id=run_id, node=node, kind="step", state=state, position=position, detail=detail,
                started_at=1100.0 + position * 10, ended_at=1110.0 + position * 50,
            ))  # fmt: skip
    return run_id


def _administrator(platform: Platform) -> None:
    link = offer_setup(platform.database, platform.home.root, platform.home.server_url, platform.now())
    assert link is not None
    Client(platform.home.server_url, "").identity.set_up(link.read_text(), NAME, "root@example.org", PASSWORD)


class Reader:
    """Somebody who reads the web UI.

    Args:
        page: A tab of a browser.
        url: Where the web UI is.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    def open(self, path: str, heading: str = "") -> None:
        """Open an address, and wait for its heading; without one, for the page to be there."""
        self.page.call("Page.navigate", url=f"{self.url}{path}")
        self.see("h1", heading)

    def see(self, selector: str, text: str = "") -> str:
        """Wait until something is on the page, with a text in it; all its text."""
        element = f"document.querySelector({json.dumps(selector)})"
        script = f"{element} && {element}.innerText.replace(/[\\u2066-\\u2069]/g, '')"  # without marks of direction

        def shown() -> str | None:
            there = self.page.run(script)
            return None if there is None or text not in there else f"{there} "

        return until(shown, lambda: f"{selector}: {text!r} on\n{self.page.run('document.body.innerText')}")

    def click(self, selector: str) -> None:
        """Click on something that is there."""
        self.see(selector)
        self.page.run(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.see(selector)
        self.page.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.page.call("Input.insertText", text=text)

    def log_in(self, name: str = NAME, password: str = PASSWORD) -> None:
        """Log in at the page for it, which is open."""
        self.type("input[name=name]", name)
        self.type("input[name=password]", password)
        self.click("form button.primary")

    def select(self, selector: str, value: str) -> None:
        """Choose from a list."""
        self.see(selector)
        choose = f"e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change', {{bubbles: true}}))"
        self.page.run(f"{{ const e = document.querySelector({json.dumps(selector)}); {choose} }}")

    def choose(self, *, language: str, theme: str) -> None:
        """Read in another language and theme from the next page on."""
        values = {"falaj.language": language, "falaj.theme": theme}
        self.page.run(f"Object.entries({json.dumps(values)}).forEach(([k, v]) => localStorage.setItem(k, v))")

    def violations_of(self, pages: Mapping[str, tuple[str, str]]) -> dict[str, list[dict[str, Any]]]:
        """What axe-core finds wrong with pages, once each has one heading, no problem, and its own rows.

        Args:
            pages: By address: a place in the page, and a text that is there when the page is complete.
        """
        by_page: dict[str, list[dict[str, Any]]] = {}
        for path, (place, text) in pages.items():
            self.open(path)
            self.see(place, text)
            assert self.page.run("document.querySelectorAll('h1').length") == 1, path
            assert not self.page.run("document.querySelector('.problem')?.innerText"), path
            if violations := self.violations():
                by_page[path] = violations
        return by_page

    def violations(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong with the page as it is now."""
        if not self.page.run("'axe' in window"):
            self.page.run(AXE.read_text() + ";0")
        of_node = "n => n.html + ' ' + n.failureSummary"
        of_rule = f"v => ({{id: v.id, nodes: v.nodes.map({of_node})}})"
        report = self.page.run(f"axe.run().then(r => JSON.stringify(r.violations.map({of_rule})))")
        return list(json.loads(report))


@contextmanager
def reading(served: Served, folder: Path) -> Iterator[Reader]:
    """A browser at the web UI of an installation; what breaks its content policy fails the test."""
    with browsing(folder / "profile") as page:
        page.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
        yield Reader(page, served.home.ui_url)
        assert page.console == [], "the page kept to its policy, and nothing was thrown"
