"""A command ends with the exit code that the reference lists, wherever its error arose: here or at the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from falaj.api import problems
from falaj.core.errors import EXIT_CODES, FalajError
from falaj.sdk.http import ProblemError, parse_problem

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import error_codes

CLASSES = error_codes.error_classes()
OF_COMMANDS = {name: kind for name, kind in CLASSES.items() if not issubclass(kind, CLASSES["RequestError"])}
DOCUMENTED = {code: entry for code, entry in error_codes.error_codes().items() if entry.exit_code is not None}


def at_the_terminal(error: FalajError) -> ProblemError:
    """The error that the client raises for one that the server raised."""
    answer = problems.problem_of(error)
    return ProblemError(answer.status_code, parse_problem(bytes(answer.body)))


def error_of(kind: type[FalajError], **attributes: Any) -> FalajError:
    """An error of a class, whatever its own constructor asks for."""
    error = kind.__new__(kind)
    FalajError.__init__(error, "what went wrong")
    error.__dict__ |= attributes
    return error


@pytest.mark.parametrize("name", sorted(OF_COMMANDS))
def test_an_error_of_the_server_ends_a_command_as_one_of_its_own_does(name: str) -> None:
    kind = OF_COMMANDS[name]
    assert at_the_terminal(error_of(kind)).exit_code == kind.exit_code


@pytest.mark.parametrize("code", sorted(DOCUMENTED))
def test_each_code_ends_a_command_as_the_reference_says(code: str) -> None:
    """By the places in the sources that make it, each of which names the class of its error."""
    places = [*_classes_of(code), *error_codes.places_of(code)]
    assert places or code in ("request.invalid", "server.unexpected")
    for kind, status in places:
        error = error_of(kind, code=code, **({"status": status} if status else {}))
        assert at_the_terminal(error).exit_code == DOCUMENTED[code].exit_code, kind


def _classes_of(code: str) -> list[tuple[type[FalajError], None]]:
    return [(kind, None) for kind in OF_COMMANDS.values() if kind.code == code]


@pytest.mark.parametrize(("status", "code"), [(400, "request.invalid"), (500, "server.unexpected")])
def test_what_no_class_stands_for_ends_as_the_reference_says(status: int, code: str) -> None:
    document = parse_problem(bytes(problems.problem(status, code, "x").body))
    assert ProblemError(status, document).exit_code == DOCUMENTED[code].exit_code


@pytest.mark.parametrize("odd", [None, 0, 8, True, "2", 2.0, -1], ids=str)
def test_an_answer_of_something_in_between_ends_by_its_status(odd: object) -> None:
    assert ProblemError(404, {"title": "x", "exit_code": odd}).exit_code == EXIT_CODES[404] == 3
    assert ProblemError(502, {"title": "x", "exit_code": odd}).exit_code == 1
