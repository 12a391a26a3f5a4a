"""Fixtures for every room."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.areas import AREAS
from tests.databases import database, migrated_postgres, one_database, postgres
from tests.e2e.installation import ENVIRONMENTS
from tests.layers import is_unit, pytest_configure, pytest_runtest_call
from tests.sharing import session_folder

__all__ = ["database", "migrated_postgres", "postgres", "pytest_configure", "pytest_runtest_call"]
pytest_plugins = ["tests.tracing"]

# One slow example on a busy machine is no defect; every run draws others, so that fewer of them find as much in time.
settings.register_profile("falaj", deadline=None, max_examples=25)
settings.load_profile("falaj")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs every test on both databases."""
    parser.addoption("--every-database", action="store_true", help="run tests of routes and rooms on both databases")


PURE = Path(__file__).with_name("pure_cores.txt")
CORES = tuple({str(Path(line).relative_to("src/falaj").parent) for line in PURE.read_text().split()})
"""Folders that have pure cores."""
SLOW = {"e2e", "faults", *AREAS}
LONGEST = (
    "test_flights", "test_retraining", "test_replay", "test_refit_run", "test_kill", "test_bad_input",
    "test_locations", "test_loopback",
    "test_monitoring", "test_database", "test_disk", "test_openapi_fuzz", "test_feedback_through_envoy",
    "test_full_log_disk", "test_privacy", "test_rollouts", "test_agent",
)  # fmt: skip
"""Files of slow tests, the longest first, so that none is left over at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long files first, measure coverage in tests of pure cores alone, and leave out what `one_database` does."""
    if not config.getoption("every_database"):
        one_database(config, items)
    for item in items:
        if not is_unit(item) or not _is_of_core(item):
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=_place)


def _is_of_core(item: pytest.Item) -> bool:
    return item.nodeid.removeprefix("tests/").startswith(CORES)


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in SLOW)


def _place(item: pytest.Item) -> int:
    """Slow tests come first, the longest files of them before the others."""
    name = Path(item.nodeid.partition("::")[0]).stem
    if not _is_slow(item):
        return len(LONGEST) + 1
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


@pytest.fixture(scope="session", autouse=True)
def _environments(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = session_folder(tmp_path_factory) / "environments"
    folder.mkdir(exist_ok=True)
    os.environ[ENVIRONMENTS] = str(folder)
