"""`make demo`, `make demo KEEP=1` to leave the platform running, `make demo CHAPTER=canary` for one chapter."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from rich.markup import escape

from demo.chapters import CHAPTERS
from demo.outcomes import Chapter, Ending, UnknownChapterError, with_prerequisites
from demo.runner import conclude, play
from demo.stage import Stage
from demo.summary import suggest_next_steps, summarise
from demo.terminal import CHECKOUT, SCRATCH, Headings, console, falaj_quietly


def main() -> int:
    """Show the demo, or some chapters of it and what they need."""
    arguments = parsed_arguments()
    try:
        chapters = with_prerequisites(CHAPTERS, arguments.chapters)
    except UnknownChapterError as error:
        sys.exit(str(error))
    return conclude(lambda: show(chapters, keep=arguments.keep), write, debug=arguments.debug)


def parsed_arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("chapters", nargs="*", help=", ".join(chapter.name for chapter in CHAPTERS))
    parser.add_argument("--keep", action="store_true", help="leave the platform running")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    return parser.parse_args()


def write(line: str) -> None:
    """Print one line, whatever is in it."""
    console.print(escape(line), soft_wrap=True)


def show(chapters: Sequence[Chapter[Stage]], *, keep: bool) -> list[Ending]:
    """Play chapters on a fresh platform."""
    prepare_scratch()
    stage, up = Stage(), False
    try:
        endings = play(chapters, stage, Headings())
        up = keep
    finally:
        if not up:
            falaj_quietly("down")
    summarise(stage)
    suggest_next_steps(running=keep)
    return endings


def prepare_scratch() -> None:
    """Point this process and its children at a fresh home; stop what an earlier demo left running."""
    os.environ |= {
        "FALAJ_HOME": str(SCRATCH / "home"),
        "FALAJ_CREDENTIALS": str(SCRATCH / "people"),
        "FALAJ_TRIAGE_COOLDOWN_S": "1",  # the year is over in minutes
        "FALAJ_MONITOR_EVERY_S": "0.3",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    os.environ.setdefault("UV_CACHE_DIR", str(CHECKOUT / ".cache" / "uv"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every step would compile its libraries anew
    if SCRATCH.exists():
        falaj_quietly("down")
        shutil.rmtree(SCRATCH)
    SCRATCH.mkdir()


if __name__ == "__main__":
    sys.exit(main())
