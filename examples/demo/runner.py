"""Plays chapters one after the other, and turns whatever comes of it into one line and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from demo.outcomes import Chapter, Ending, closing_line, exit_code

Stage = TypeVar("Stage")
INTERRUPTED = 130


class ChapterFailedError(Exception):
    """A chapter could not be played to one of its ends."""


class Screen(Protocol):
    """Where chapters are announced."""

    def begin(self, chapter: Chapter[Stage]) -> None:
        """Show the heading of a chapter."""

    def end(self, ending: Ending) -> None:
        """Show how a chapter ended."""


def play(chapters: Iterable[Chapter[Stage]], stage: Stage, screen: Screen) -> list[Ending]:
    """Play chapters in order.

    Raises:
        ChapterFailedError: One failed, or ended in a way that it does not name.
    """
    endings = []
    for chapter in chapters:
        screen.begin(chapter)
        try:
            ending = chapter.ending(chapter.play(stage))
        except (Exception, SystemExit) as error:
            raise ChapterFailedError(f"{chapter.name}: {_one_line(error)}") from error
        screen.end(ending)
        endings.append(ending)
    return endings


def conclude(demo: Callable[[], Sequence[Ending]], write: Callable[[str], None], *, debug: bool = False) -> int:
    """Run a demo and write the line that it ends with; no exception gets out.

    Args:
        demo: Plays chapters.
        write: Takes each line of text.
        debug: Whether the traceback of a failure is written before its line.

    Returns:
        The exit code.
    """
    try:
        endings = demo()
    except KeyboardInterrupt:
        write("interrupted")
        return INTERRUPTED
    except Exception as error:
        if debug:
            write("".join(traceback.format_exception(error)).rstrip())
        write(_one_line(error))
        return 1
    write(closing_line(endings))
    return exit_code(endings)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
