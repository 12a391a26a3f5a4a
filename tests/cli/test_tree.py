"""The tree of commands is one table: it is complete, short to read, and what nothing else spells otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.cli.application import application, built
from falaj.cli.tree import COMMANDS, GROUPS, OPTIONS, SHORT_COMMANDS, children, commands_per_group, overview
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
OLD_COMMANDS = """
    accounts|agent|alerts|apply|approval-key|artifacts|audit (?:show|erase)|cancel-change|changes|change 0|compliance
    |drift|endpoints|evidence|feedback|gates|gc|keys|locations|logs|mlflow|model-card|models|monitors|notifications
    |password|performance|plan|policy|predictions|privacy (?:incident|labels|processing|records|request)
    |privacy (?:verify-document|withdraw|record (?:transfer|impact-assessment|bias-evaluation|classification))|profile
    |projects|reject|release [a-z-]+@|releases|remote|review|rollback|rollout (?:dry-run|status)|runs|schema|secrets
    |security-key|server|setup|token|totp|triage|triggers|verify|whoami|worker
"""
_WORDS = "".join(line.strip() for line in OLD_COMMANDS.splitlines())
OLD = re.compile(rf"falaj (?:--as\b|(?:--account \S+ )?(?:{_WORDS})(?![\w-]))")
"""Spellings of before the groups."""


@pytest.mark.parametrize("path", [*COMMANDS, *GROUPS, *SHORT_COMMANDS])
def test_a_command_of_the_tree_is_built_from_its_module(path: str) -> None:
    command = built(path)
    assert command.help and command.callback is not None


def test_a_path_has_three_words_at_most_and_a_group_of_the_tree() -> None:
    parents = {path.rpartition(" ")[0] for path in (*COMMANDS, *GROUPS)} - {""}
    assert parents <= set(GROUPS)
    assert max(path.count(" ") for path in COMMANDS) == 2
    assert {short.path for short in SHORT_COMMANDS.values()} <= set(COMMANDS)


def test_no_function_is_two_commands() -> None:
    assert len(set(COMMANDS.values())) == len(COMMANDS)


def test_commands_are_counted_by_group() -> None:
    counts = commands_per_group()
    assert list(counts) == [path for path in GROUPS if " " not in path] and len(counts) == 12
    assert sum(counts.values()) == len(COMMANDS)


def test_the_overview_fits_a_screen() -> None:
    lines = overview().splitlines()
    assert len(lines) <= 45 and max(map(len, lines)) <= 100
    assert all(any(line.startswith(f"  {word} ") for line in lines) for word in (*children(""), *OPTIONS))


def test_the_options_of_the_overview_are_those_of_every_command() -> None:
    from typer.main import get_command

    named = {name for option in get_command(application()).params for name in option.opts}
    assert named - {"--install-completion", "--show-completion"} == set(OPTIONS) - {"--help"}


@pytest.mark.integration
def test_a_word_that_is_no_command_is_refused_with_the_nearest(falaj: Command) -> None:
    assert falaj("--version").stdout.startswith("falaj ")
    refused = falaj("rollot")
    assert refused.returncode == 2 and "rollout" in refused.stderr
    assert "rollout" in falaj("--help").stdout


def texts() -> Iterator[Path]:
    """Pages, examples and messages."""
    yield ROOT / "README.md"
    for folder, pattern in (("docs", "*.md"), ("src", "*.py"), ("examples", "*.py"), ("benchmarks", "*.md")):
        yield from (ROOT / folder).rglob(pattern)


def test_nothing_names_a_command_of_before_the_groups() -> None:
    old = [
        f"{path.relative_to(ROOT)}: {match[0]}" for path in texts() for match in OLD.finditer(path.read_text("utf-8"))
    ]
    assert not old


@pytest.mark.parametrize(
    "line", ["falaj runs", "falaj --account omar verify m@1", "falaj --as omar", "falaj gates list"]
)
def test_an_old_spelling_is_seen(line: str) -> None:
    assert OLD.match(line) and not OLD.match("falaj release verify m@1")
