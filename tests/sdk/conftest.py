from __future__ import annotations

import pytest

from falaj.sdk import Client
from tests.platforms import Served, served

__all__ = ["served"]


@pytest.fixture
def client(served: Served) -> Client:
    return Client.from_home(served.home)
