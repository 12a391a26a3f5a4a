"""A prediction enters the modules in the order that the documentation tells."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from falaj.build.packaging import PackagingResult
from tests import order_of_modules
from tests.order_of_modules import described

from .conftest import Replica

pytestmark = [pytest.mark.integration, pytest.mark.integration]
BEGIN = "falaj.dataplane.model_server.app:_request_id"


def test_a_prediction_goes_the_way_that_is_described(
    serve: Callable[..., Replica], packaged: Callable[[str], tuple[Path, PackagingResult]], models: Path, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    program = (sys.executable, order_of_modules.__file__, str(order), BEGIN, "falaj.dataplane.model_server")
    replica = serve(packaged("flights")[0], command=program)
    rows = pl.read_parquet(models / "held-out.parquet", n_rows=1).to_dicts()
    for _ in range(2):  # after the first one everything has started
        assert replica.invoke({"dataframe_records": rows}).status_code == 200
    replica.process.send_signal(signal.SIGTERM)
    assert replica.process.wait() == 0
    way = described("What one prediction goes through")
    assert [module for module in order.read_text().splitlines() if module in way] == way
