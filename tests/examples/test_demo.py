"""How the demo ends, whatever its chapters do."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from demo.outcomes import (
    SHOWN,
    Chapter,
    Ending,
    UnexpectedOutcomeError,
    UnknownChapterError,
    closing_line,
    exit_code,
    with_prerequisites,
)
from demo.runner import INTERRUPTED, conclude, play
from falaj.config.loading import load_project

Played = list[str]


class QuietScreen:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, chapter: Chapter[Played]) -> None:
        self.lines.append(chapter.title)

    def end(self, ending: Ending) -> None:
        self.lines.append(str(ending))


def chapter(name: str, outcome: str = SHOWN, **more: object) -> Chapter[Played]:
    def ends(played: Played) -> str:
        played.append(name)
        return outcome

    return Chapter(name, name.title(), "", ends, **more)  # type: ignore[arg-type]


def played_chapter(name: str, outcome: str) -> Chapter[Played]:
    unlikely = {"rolled_back": 1 / 100, "inconclusive": 1 / 50}
    return chapter(name, outcome, expected="succeeded", unlikely=unlikely)


def run(*chapters: Chapter[Played], debug: bool = False) -> tuple[int, list[str]]:
    lines: list[str] = []
    return conclude(lambda: play(chapters, [], QuietScreen()), lines.append, debug=debug), lines


def raising(error: BaseException) -> Callable[[Played], str]:
    def ends(_: Played) -> str:
        raise error

    return ends


def test_all_as_expected() -> None:
    assert run(chapter("push"), played_chapter("canary", "succeeded")) == (0, ["2 of 2 as expected"])


def test_one_unlikely_outcome_is_shown_and_no_failure() -> None:
    expected = "2 of 3: canary rolled back (expected in 1 of 100)"
    assert run(chapter("push"), played_chapter("canary", "rolled_back"), chapter("year")) == (0, [expected])


def test_two_unlikely_outcomes_are_a_failure() -> None:
    code, lines = run(played_chapter("canary", "rolled_back"), chapter("push"), played_chapter("slow", "inconclusive"))
    assert code == 1
    assert lines == ["1 of 3: canary rolled back (expected in 1 of 100), slow inconclusive (expected in 1 of 50)"]


def test_an_outcome_that_is_not_named_ends_the_demo_in_one_line() -> None:
    played: Played = []
    lines: list[str] = []
    chapters = [played_chapter("canary", "aborted"), chapter("year")]
    assert conclude(lambda: play(chapters, played, QuietScreen()), lines.append) == 1
    assert played == ["canary"]
    assert lines == [
        "canary: ended aborted, which is none of: succeeded, rolled back (1 of 100), inconclusive (1 of 50)"
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (AssertionError(), "push: AssertionError"),
        (ValueError("two\n  lines"), "push: two lines"),
        (KeyError("run"), "push: 'run'"),
        (SystemExit("falaj up failed"), "push: falaj up failed"),
    ],
)
def test_an_exception_is_one_line_and_no_traceback(error: BaseException, line: str) -> None:
    assert run(Chapter("push", "Push", "", raising(error))) == (1, [line])


def test_debug_shows_the_traceback_before_the_line() -> None:
    code, lines = run(Chapter("push", "Push", "", raising(ValueError("broken"))), debug=True)
    assert code == 1
    assert len(lines) == 2
    assert lines[0].startswith("Traceback")
    assert 'ValueError("broken")' in lines[0] or "ValueError: broken" in lines[0]
    assert lines[1] == "push: broken"


def test_an_interruption_has_its_own_exit_code() -> None:
    assert run(Chapter("push", "Push", "", raising(KeyboardInterrupt()))) == (INTERRUPTED, ["interrupted"])


def test_chapters_are_announced_and_share_their_stage() -> None:
    screen, played = QuietScreen(), []
    endings = play([chapter("push"), played_chapter("canary", "rolled_back")], played, screen)
    assert played == ["push", "canary"]
    assert screen.lines == ["Push", "push shown", "Canary", "canary rolled back (expected in 1 of 100)"]
    assert [ending.chance for ending in endings] == [None, 1 / 100]


def test_a_chapter_brings_what_it_needs_in_the_order_of_the_demo() -> None:
    chapters = [
        chapter("platform"),
        chapter("people", needs=("platform",)),
        chapter("push", needs=("platform",)),
        chapter("canary", needs=("push",)),
        chapter("gate", needs=("canary", "people")),
    ]

    def names(*chapter_names: str) -> list[str]:
        return [each.name for each in with_prerequisites(chapters, chapter_names)]

    assert names("canary") == ["platform", "push", "canary"]
    assert names("gate") == ["platform", "people", "push", "canary", "gate"]
    assert names() == ["platform", "people", "push", "canary", "gate"]


def test_an_unknown_chapter_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownChapterError, match="no chapter 'canery'; there are: push, canary"):
        with_prerequisites([chapter("push"), chapter("canary")], ["canery"])


def test_an_expected_ending_has_no_chance_beside_it() -> None:
    assert str(played_chapter("canary", "succeeded").ending("succeeded")) == "canary succeeded"
    with pytest.raises(UnexpectedOutcomeError):
        chapter("push").ending("succeeded")


def test_nothing_played_is_as_expected() -> None:
    assert (closing_line([]), exit_code([])) == ("0 of 0 as expected", 0)


def test_an_end_that_is_as_likely_as_not_is_told_and_is_no_failure_beside_a_rare_one() -> None:
    endings = [Ending("canary", "rolled_back", 1 / 100), Ending("compare", "no_better", 1 / 2)]
    assert exit_code(endings) == 0 and closing_line(endings).endswith("compare no better (expected in 1 of 2)")
    assert exit_code([*endings, Ending("slow", "succeeded", 1 / 50)]) == 1


class TestChaptersOfTheDemo:
    """The table itself."""

    @pytest.fixture(autouse=True)
    def _table(self) -> None:
        pytest.importorskip("polars")
        from demo.chapters import CHAPTERS

        self.chapters = CHAPTERS

    def test_names_are_unique_and_one_word(self) -> None:
        names = [each.name for each in self.chapters]
        assert len(set(names)) == len(names)
        assert all(name.isalpha() for name in names)

    def test_each_comes_after_what_it_needs(self) -> None:
        before: set[str] = set()
        for each in self.chapters:
            assert set(each.needs) <= before, each.name
            before.add(each.name)

    def test_the_expected_outcome_is_none_of_the_unlikely_ones(self) -> None:
        for each in self.chapters:
            assert each.expected not in each.unlikely
            most = 0.5 if each.name == "compare" else 0.05  # whether a year pays is no judgement with an error bound
            assert all(0 < chance <= most for chance in each.unlikely.values()), each.name

    def test_what_the_demo_edits_is_in_the_example(self) -> None:
        from demo import candidates

        project = Path(candidates.__file__).parents[1] / "flights"
        edits = {
            "falaj.yaml": [("  dev: recreate\n", ""), candidates.FEWER_TREES, ("seed: 0}", "")],
            candidates.FEATURES: candidates.MINUTE,
            candidates.TRAINING: [*candidates.FOUR_MODELS, *candidates.WRONG_ABOUT_A_CARRIER],
        }
        for name, changes in edits.items():
            text = (project / name).read_text()
            for old, _ in changes:
                assert old in text, (name, old)

    @pytest.mark.parametrize("chapter", ["canary", "year"])
    def test_what_the_demo_pushes_is_a_valid_project(self, chapter: str, tmp_path: Path) -> None:
        from demo import candidates

        examples = Path(candidates.__file__).parents[1]
        project = shutil.copytree(examples / "flights", tmp_path / "project")
        file, year = project / "falaj.yaml", examples / "demo" / "year_project"
        if chapter == "canary":
            file.write_text(file.read_text().replace("  dev: recreate\n", candidates.CANARY))
        else:
            file.write_text((year / "falaj.yaml").read_text().replace("LANDED", "/data/landed.parquet"))
            shutil.copy(year / "lately.py", project / "src" / "flights")
        assert load_project(project)  # and no problem with it


def test_a_week_goes_on_where_a_training_waits_for_rows() -> None:
    from demo.year import is_due_soon
    from falaj.schemas.retraining import TrainingRequest

    request = TrainingRequest(
        id="t", model="m", kind="drift", state="waiting", reason="", cause={}, times=1, attempt=1, actor="a", run=None,
        release=None, window={}, verdict={}, requested_at=0.0, wake_at=None, started_at=None, ended_at=None,
    )  # fmt: skip
    assert is_due_soon(request) and is_due_soon(replace(request, wake_at=time.time() + 1))
    assert not is_due_soon(replace(request, wake_at=time.time() + 3600))
