"""The page about models says what the tests show."""

from tests.models.projects import PAGE, written


def test_the_page_has_the_families_of_the_tests() -> None:
    text = PAGE.read_text()
    assert written(text) == text, "python -m tests.models.projects"
