"""In which order a request or a run enters the modules, held against the page that describes it.

As a program it runs another module, and writes down the order: `order_of_modules.py FILE BEGIN MODULE ARGUMENT...`.
What came before the last call of the function BEGIN does not count: a process starts, and answers others, first.
"""

from __future__ import annotations

import re
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PAGE = Path(__file__).parents[1] / "docs/explanation/where-things-are.md"


class FirstCalls:
    """Modules of Falaj in the order in which one of their functions was first called, by any thread.

    Args:
        begin: A function as `module:name`; each time it is called, what was called until then is forgotten.
    """

    def __init__(self, begin: str = "") -> None:
        self._modules: dict[str, None] = {}
        self._begin = tuple(begin.split(":"))

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """What `sys.setprofile` calls."""
        if event == "call" and (name := frame.f_globals.get("__name__", "")).startswith("falaj."):
            if (name, frame.f_code.co_qualname) == self._begin:
                self._modules.clear()
            self._modules.setdefault(name)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record calls of this thread and of those that are started meanwhile."""
        sys.setprofile(self)
        threading.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def among(self, modules: list[str]) -> list[str]:
        """Those of some modules that were called, in order."""
        return [module for module in self._modules if module in modules]


def described(heading: str) -> list[str]:
    """The modules that the page lists under a heading."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)


def main() -> None:
    """Run a module, and write down what it called."""
    file, begin, module, *arguments = sys.argv[1:]
    calls = FirstCalls(begin)
    with Path(file).open("w") as order:  # opened now: the process may give up the right to open files
        sys.argv = [module, *arguments]
        try:
            with calls.recorded():
                runpy.run_module(module, run_name="__main__")
        finally:
            order.write("\n".join(calls._modules))


if __name__ == "__main__":
    main()
