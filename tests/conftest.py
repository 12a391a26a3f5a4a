"""Fixtures for every room."""

import os

import pytest
from hypothesis import settings

from tests.databases import database, migrated_postgres, postgres
from tests.e2e.installation import ENVIRONMENTS
from tests.tracing import pytest_runtest_call

__all__ = ["database", "migrated_postgres", "postgres", "pytest_runtest_call"]

# One slow example on a busy machine is no defect; every run draws others, so that fewer of them find as much in time.
settings.register_profile("falaj", deadline=None, max_examples=40)
settings.load_profile("falaj")

EDGES = {"database", "served"}
"""Fixtures of tests that are not of a pure core: measuring their coverage would take half as long again."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure coverage in tests of pure cores alone; `pure_cores.txt` says which those are."""
    for item in items:
        if EDGES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def _environments(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = session / "environments"
    folder.mkdir(exist_ok=True)
    os.environ[ENVIRONMENTS] = str(folder)
