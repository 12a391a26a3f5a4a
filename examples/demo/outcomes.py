"""What a chapter may end with, and what the demo as a whole does.

A chapter whose end depends on chance, such as a judgement with an error probability, names each end with its
probability. One unlikely end is no failure of the platform; two in one demo hardly happen unless something is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Stage = TypeVar("Stage")
UNLIKELY_ALLOWED = 1
RARE = 1 / 10
"""An end that comes as often as this, or more, says nothing of the platform, however many there are."""
SHOWN = "shown"


class UnexpectedOutcomeError(Exception):
    """A chapter ended with something that it does not name."""


class UnknownChapterError(Exception):
    """No chapter has this name."""


@dataclass(frozen=True)
class Chapter(Generic[Stage]):
    """One part of the demo.

    Args:
        name: What `make demo CHAPTER=...` calls it.
        title: Its heading.
        shows: One line about what is seen.
        play: Plays it and returns its outcome.
        needs: Names of chapters that must have been played before.
        expected: The outcome to expect.
        unlikely: Other outcomes that are no failure, each with its probability at most.
    """

    name: str
    title: str
    shows: str
    play: Callable[[Stage], str]
    needs: tuple[str, ...] = ()
    expected: str = SHOWN
    unlikely: Mapping[str, float] = field(default_factory=dict)

    def ending(self, outcome: str) -> Ending:
        """Judge how the chapter ended.

        Raises:
            UnexpectedOutcomeError: The chapter does not name this outcome.
        """
        if outcome != self.expected and outcome not in self.unlikely:
            raise UnexpectedOutcomeError(f"ended {_words(outcome)}, which is none of: {self._ends()}")
        return Ending(self.name, outcome, self.unlikely.get(outcome))

    def _ends(self) -> str:
        others = [f"{_words(outcome)} ({_frequency(chance)})" for outcome, chance in self.unlikely.items()]
        return ", ".join([_words(self.expected), *others])


@dataclass(frozen=True)
class Ending:
    """How a chapter ended.

    Args:
        chapter: Its name.
        outcome: One that the chapter names.
        chance: The probability of an unlikely outcome; None of the expected one.
    """

    chapter: str
    outcome: str
    chance: float | None

    def __str__(self) -> str:
        if self.chance is None:
            return f"{self.chapter} {_words(self.outcome)}"
        return f"{self.chapter} {_words(self.outcome)} (expected in {_frequency(self.chance)})"


def with_prerequisites(chapters: Sequence[Chapter[Stage]], chapter_names: Collection[str]) -> list[Chapter[Stage]]:
    """The chapters of these names and all that they need, in the order of the demo; all chapters for no names.

    Raises:
        UnknownChapterError: A name is none of a chapter.
    """
    by_name = {chapter.name: chapter for chapter in chapters}
    if unknown := sorted(set(chapter_names) - set(by_name)):
        raise UnknownChapterError(f"no chapter {unknown[0]!r}; there are: {', '.join(by_name)}")
    needed, queue = set(), list(chapter_names or by_name)
    while queue:
        name = queue.pop()
        needed.add(name)
        queue += by_name[name].needs
    return [chapter for chapter in chapters if chapter.name in needed]


def closing_line(endings: Sequence[Ending]) -> str:
    """How many chapters went as expected, and which did not."""
    unlikely = [ending for ending in endings if ending.chance is not None]
    count = f"{len(endings) - len(unlikely)} of {len(endings)}"
    return f"{count}: {', '.join(map(str, unlikely))}" if unlikely else f"{count} as expected"


def exit_code(endings: Sequence[Ending]) -> int:
    """0 when at most one chapter had a rare outcome, else 1."""
    rare = [ending for ending in endings if ending.chance is not None and ending.chance < RARE]
    return int(len(rare) > UNLIKELY_ALLOWED)


def _words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _frequency(chance: float) -> str:
    return f"1 of {round(1 / chance)}"
