"""Predictions, copies and labels through a real Envoy and real model servers, with no control plane anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from falaj.build.packaging import PackagingResult
from falaj.core.home import Home
from falaj.dataplane.desired_state import Servable
from falaj.dataplane.label_database import open_labels
from falaj.dataplane.label_join import JoinedLabel, LabelJoin
from falaj.dataplane.log_keys import writer_keys
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import Traffic
from falaj.sdk import Endpoint, Label
from falaj.sdk.endpoint_address import own_token
from falaj.supply_chain.encryption import Keystore, open_chest
from tests.dataplane.conftest import free_port, own_people, servable
from tests.dataplane.serving.conftest import models, packaged
from tests.waiting import HANGS_AFTER_S, until

__all__ = ["models", "packaged"]
pytestmark = [pytest.mark.locations, pytest.mark.e2e]

TRAFFIC = Traffic({1: 5_000, 2: 5_000}, {3: 1.0}, candidate=2)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", {}).prepare()


@pytest.fixture
def chest(home: Home) -> Keystore:
    return open_chest(home)


@pytest.fixture
def runtime(home: Home, chest: Keystore, tmp_path: Path) -> Iterator[ProcessRuntime]:
    """A runtime whose model servers seal their logs."""
    place = LocationFolders(home.location_dir("local"), tmp_path / "logs")
    runtime = ProcessRuntime(place, port=free_port(), log_key=writer_keys(home, chest, place.predictions, None))
    runtime.adopt()
    yield runtime
    runtime.stop()


def settled(runtime: ProcessRuntime, servables: list[Servable], home: Home) -> str:
    admittance = own_people(home, "dev/m")
    statuses = runtime.settle(servables, {"dev/m": TRAFFIC}, admittance, timeout_s=HANGS_AFTER_S)
    assert {str(status.state) for status in statuses} == {"ready"}, statuses
    return statuses[0].url


def joined(join: LabelJoin, count: int) -> list[JoinedLabel]:
    """All that was joined, once there are as many; copies are written a moment after the answer."""

    def enough() -> list[JoinedLabel] | None:
        join.advance()
        joined_records = join.read(limit=10_000)[0]
        return joined_records if len(joined_records) >= count else None

    return until(enough)


def test_labels_find_the_arm_that_answered_and_the_shadow(
    runtime: ProcessRuntime, home: Home, chest: Keystore, packaged: Callable[[str], tuple[Path, PackagingResult]]
) -> None:
    model = packaged("linear")[0]
    url = settled(runtime, [replace(servable(release), model_dir=model) for release in (1, 2, 3)], home)
    with Endpoint(url, token=partial(own_token, "dev/m", home)) as endpoint:
        answers = [endpoint.predict([{"hour": 8.0, "distance": float(n)}]) for n in range(60)]
        for answer in answers:  # each label is a request of its own, so that both arms receive some of them
            assert endpoint.feedback([Label(answer.id, 1.5, 1.0)]) == 1
        with open_labels(home, chest, home.location_dir("local")) as join:
            assert len(joined(join, 120)) == 120
        assert endpoint.feedback([Label(answers[0].id, 2.5, 2.0), Label("unknown", 0)]) == 2
    assert {answer.release for answer in answers} == {"m@1", "m@2"}
    with open_labels(home, chest, home.location_dir("local")) as join:
        joined_records = joined(join, 122)
        counts = join.counts()
    assert (counts.labels, counts.corrected, counts.repeated, counts.pending) == (62, 1, 0, 1)
    first = [one for one in joined_records if not one.correction]
    assert Counter(one.arm for one in first) == Counter(
        {"shadow": 60} | Counter("stable" if answer.release == "m@1" else "candidate" for answer in answers)
    )
    answered = {one.request_id: one for one in first if not one.shadow}
    assert {answer.id: answer.release for answer in answers} == {name: one.release for name, one in answered.items()}
    assert all(one.release == "m@3" for one in first if one.shadow)
    assert all((one.weight, one.forced, one.label) == (5_000, False, (1.5,)) for one in first)
    assert [(one.request_id, one.label) for one in joined_records if one.correction] == [(answers[0].id, (2.5,))] * 2
