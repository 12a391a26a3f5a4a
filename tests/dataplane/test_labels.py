"""The labels of a location: read with its keys, and kept up to date beside everything else that an agent does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.dataplane.label_database import keep_joined, open_labels
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.log_export import export_location, residency_of
from falaj.dataplane.log_keys import writer_keys
from falaj.dataplane.prediction_log import LABELS, LogKey, LogOwner, LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.export import ExportSelection
from falaj.supply_chain.encryption import Keystore, open_chest
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.integration

OWNER = LogOwner("dev/m", "m@1")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", {"FALAJ_JURISDICTION": "AE"}).prepare()


@pytest.fixture
def chest(home: Home) -> Keystore:
    return open_chest(home)


def write(home: Home, chest: Keystore, name: str) -> None:
    """A prediction and its label, as a replica writes them."""
    log = home.location_dir("local") / "predictions"
    give = writer_keys(home, chest, log, None)
    assert give is not None
    key = LogKey.from_bytes(give(OWNER))
    for header, record in (
        (SegmentHeader("m@1", "dev/m", ("x",), 0), (name, 1_000_000_000, [(1.0,)], {"y": [2.0]})),
        (SegmentHeader("m@1", "dev/m", (), 0, kind=LABELS), ("request", 2_000_000_000, [(name, 1.5, None)])),
    ):
        writer = LogWriter(log, header, time.time_ns, key=key)
        writer.write([record])
        writer.close()


def test_an_agent_keeps_the_join_up_to_date_and_comes_back_after_a_bad_disk(home: Home, chest: Keystore) -> None:
    stopping, opened = threading.Event(), []

    def open_join() -> LabelJoin:
        opened.append(1)
        if len(opened) == 1:
            raise OSError("No space left on device")
        return open_labels(home, chest, home.location_dir("local"))

    thread = threading.Thread(target=keep_joined(open_join, look_s=0.01), args=(stopping,))
    thread.start()
    with open_labels(home, chest, home.location_dir("local")) as reading:
        for count, name in enumerate(("a", "b"), start=1):
            write(home, chest, name)
            until(lambda count=count: len(reading.read()[0]) >= count)
        assert [(one.request_id, one.label) for one in reading.read()[0]] == [("a", (1.5,)), ("b", (1.5,))]
    stopping.set()
    thread.join(HANGS_AFTER_S)
    assert not thread.is_alive() and len(opened) == 2


def test_the_file_lies_where_model_servers_cannot_write(home: Home, chest: Keystore) -> None:
    folder = home.location_dir("local")
    open_labels(home, chest, folder).close()
    assert [path.name for path in folder.glob("labels.db")] == ["labels.db"]


def test_residency_is_that_of_the_location_or_else_of_the_installation(home: Home, chest: Keystore) -> None:
    write(home, chest, "a")
    assert residency_of(home, "local") == "AE"
    (home.location_dir("local") / "rules.json").write_text('{"jurisdiction": "AE-DU"}')
    assert residency_of(home, "local") == "AE-DU"


def test_an_export_that_ends_before_it_begins_is_refused(home: Home, chest: Keystore, tmp_path: Path) -> None:
    write(home, chest, "a")
    with pytest.raises(UsageError, match="ends before"):
        export_location(home, chest, "local", ExportSelection("dev/m", 2.0, 2.0), tmp_path / "out", "user:zaid")
    export_result = export_location(
        home, chest, "local", ExportSelection("dev/m", 0.0, 2.0), tmp_path / "out", "user:zaid"
    )
    assert (export_result.predictions, export_result.labelled) == (1, 1)
