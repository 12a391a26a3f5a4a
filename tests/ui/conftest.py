from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platforms import Served
from tests.ui.installation import Reader, installed, reading


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One installation for all tests of pages."""
    with installed(tmp_path_factory.mktemp("installation")) as served:
        yield served


@pytest.fixture
def visitor(installation: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A browser in which nobody is logged in."""
    with reading(installation, tmp_path_factory.mktemp("browser")) as visitor:
        yield visitor


@pytest.fixture
def reader(visitor: Reader) -> Reader:
    """The administrator, logged in."""
    visitor.open("/login")
    visitor.log_in()
    visitor.see("nav")
    return visitor
