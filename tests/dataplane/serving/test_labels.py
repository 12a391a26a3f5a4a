"""The join of labels and predictions: the same end whatever comes first and whatever dies between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.dataplane.label_join import JoinCounts, JoinedLabel, JoinLimits, LabelJoin
from falaj.dataplane.label_join.id_hashing import IdHasher
from falaj.dataplane.prediction_log import LABELS, LogKeys, LogWriter, SegmentHeader, new_log_key, segments
from falaj.dataplane.prediction_log.routing import CANDIDATE, SHADOW, STABLE
from falaj.supply_chain.encryption import DataKey, KeyGoneError

pytestmark = pytest.mark.integration

DATA_KEY = DataKey("ab" * 16, "default", bytes(range(32)))
KEYS = LogKeys(lambda _id: DATA_KEY)
ENDPOINT = "prod/flight-delay"
ARMS = {"flight-delay@7": STABLE, "flight-delay@8": CANDIDATE, "flight-delay@9": STABLE | SHADOW}


@dataclass
class Location:
    """A location's log with a replica of each arm, its join, and a clock."""

    folder: Path
    now: float = 1_000_000.0
    limits: JoinLimits = field(default_factory=JoinLimits)
    sealed: bool = True
    keys: LogKeys = KEYS

    def __post_init__(self) -> None:
        self.writers: dict[str, LogWriter] = {}
        self.join = self.opened()

    def opened(self) -> LabelJoin:
        return LabelJoin(self.folder / "labels.db", self.log, self.keys, self.limits, clock=lambda: self.now)

    @property
    def log(self) -> Path:
        return self.folder / "predictions"

    def tick(self) -> int:
        self.now += 1
        return int(self.now * 1e9)

    def _writer(self, release: str, kind: str, endpoint: str) -> LogWriter:
        name = f"{release} {kind} {endpoint}"
        if name not in self.writers:
            header = SegmentHeader(release, endpoint, ("hour",), 0)
            if kind == LABELS:
                header = SegmentHeader(release, endpoint, (), 0, kind=LABELS)
            key = new_log_key(DATA_KEY, header.owner) if self.sealed else None
            self.writers[name] = LogWriter(self.log, header, self.tick, segment_bytes=2000, key=key)
        return self.writers[name]

    def predict(
        self, name: str, release: str = "flight-delay@7", rows: int = 1, endpoint: str = ENDPOINT, **facts: Any
    ) -> None:
        outputs = {"label": [1] * rows}
        routing = (facts.get("flags", ARMS[release]), facts.get("weight", 500), facts.get("unit"), 1000)
        caller = (facts["caller"],) if "caller" in facts else ()
        answer = (name, self.tick(), [(hour,) for hour in range(rows)], outputs, (*routing, *caller))
        self._writer(release, "predictions", endpoint).write([answer])

    def label(
        self, *items: tuple[str, Any, float | None], release: str = "flight-delay@7", endpoint: str = ENDPOINT,
        sender: str = "c-ana",
    ) -> None:  # fmt: skip
        self._writer(release, LABELS, endpoint).write([("request", self.tick(), list(items), sender)])

    def restart(self) -> None:
        self.join.close()
        self.join = self.opened()

    def joined(self) -> list[JoinedLabel]:
        self.join.advance()
        return [one for batch in self.join.batches(limit=7) for one in batch]

    def joined_rows(self) -> list[tuple[str, str, Any, bool]]:
        return [(one.request_id, one.release, one.label, one.correction) for one in self.joined()]

    def counts(self) -> JoinCounts:
        self.join.advance()
        return self.join.counts()

    def close(self) -> None:
        self.join.close()
        for writer in self.writers.values():
            writer.close()


@pytest.fixture
def location(tmp_path: Path) -> Iterator[Location]:
    new_location = Location(tmp_path)
    yield new_location
    new_location.close()


def test_a_label_finds_the_prediction_of_the_arm_and_of_the_shadow_with_the_facts_of_then(location: Location) -> None:
    location.predict("a", "flight-delay@8", weight=250, unit=77)
    location.predict("a", "flight-delay@9", weight=250)
    location.label(("a", 0, 900_000.0), release="flight-delay@7")  # the replica of another arm receives it
    candidate, shadow = location.joined()
    assert (candidate.release, candidate.arm, candidate.weight, candidate.unit) == (
        "flight-delay@8",
        "candidate",
        250,
        77,
    )
    assert (shadow.release, shadow.arm, shadow.shadow, shadow.forced) == ("flight-delay@9", "shadow", True, False)
    assert (candidate.label, candidate.features, candidate.outputs, candidate.endpoint) == (
        (0,),
        ((0,),),
        {"label": [1]},
        ENDPOINT,
    )
    assert (candidate.labelled_at, candidate.correction) == (900_000.0, False)
    assert candidate.predicted_at == 1_000_001.0 and candidate.label_record.received_at > candidate.predicted_at
    both = location.join.predictions_of(ENDPOINT, "a")
    assert {one.header.release for one in both} == {"flight-delay@8", "flight-delay@9"}
    assert location.join.predictions_of(ENDPOINT, "b") == [] == location.join.predictions_of("dev/other", "a")


def test_a_label_waits_for_its_prediction_and_for_later_copies_of_it(location: Location) -> None:
    location.label(("late", 1, None))
    assert location.joined_rows() == [] and location.counts().pending == 1
    location.predict("late")
    location.restart()
    assert location.joined_rows() == [("late", "flight-delay@7", (1,), False)] and location.counts().pending == 0
    location.predict("late", "flight-delay@9")
    assert location.joined_rows()[1:] == [("late", "flight-delay@9", (1,), False)]


def test_repeated_outdated_and_corrected_labels(location: Location) -> None:
    location.predict("a")
    location.label(("a", 0, 10.0))
    location.label(("a", 0.0, 10.0), ("a", False, 12.0), release="flight-delay@8")
    assert location.joined_rows() == [("a", "flight-delay@7", (0,), False)]
    location.label(("a", 1, 11.0))  # older than what was confirmed at 12
    assert len(location.joined_rows()) == 1
    location.label(("a", [1], 13.0))
    location.label(("a", 0, 9.0))
    assert location.joined_rows()[1:] == [("a", "flight-delay@7", (1,), True)]
    label_counts = location.counts()
    assert (
        label_counts.labels,
        label_counts.joined,
        label_counts.corrected,
        label_counts.repeated,
        label_counts.misfits,
    ) == (6, 2, 1, 4, 0)


def test_of_two_labels_of_the_same_time_the_one_that_came_last_is_in_force(location: Location) -> None:
    location.label(("a", 0, 10.0), release="flight-delay@8")
    location.label(("a", 1, 10.0), release="flight-delay@7")
    location.predict("a")
    assert location.joined_rows() == [("a", "flight-delay@7", (1,), False)]


def test_a_label_for_each_row(location: Location) -> None:
    location.predict("table", rows=3)
    location.label(("table", [1, 0], None))
    location.join.advance()
    location.label(("table", 1, None))
    assert location.joined_rows() == [] and location.counts().misfits == 2
    location.label(("table", [1, None, 0], None))
    assert location.joined_rows() == [("table", "flight-delay@7", (1, None, 0), False)]


def test_a_label_that_was_sent_to_another_endpoint_is_not_taken(location: Location) -> None:
    location.predict("a")
    location.label(("a", 1, None), endpoint="dev/flight-delay")
    assert location.joined_rows() == [] and location.counts().pending == 1
    location.predict("a", endpoint="dev/flight-delay")
    assert [one.endpoint for one in location.joined()] == ["dev/flight-delay"]


def test_an_endpoint_is_read_alone_and_others_are_not_looked_at_again(location: Location) -> None:
    for number in range(10):
        location.predict(f"{number}", endpoint="dev/flight-delay" if number % 2 else ENDPOINT)
        location.label((f"{number}", 1, None), endpoint="dev/flight-delay" if number % 2 else ENDPOINT)
    location.join.advance()
    joined_records, behind = location.join.read(endpoint=ENDPOINT)
    assert [one.request_id for one in joined_records] == ["0", "2", "4", "6", "8"] and behind == 10
    nothing, behind = location.join.read(endpoint="test/other")
    assert (nothing, behind) == ([], 10) and location.join.read(behind) == ([], 10)


def test_who_labels_unknown_ids_without_end_loses_its_own(location: Location) -> None:
    location.limits = JoinLimits(pending_of_sender=3)
    location.restart()
    location.label(("early", 1, None), sender="c-bo")
    for number in range(10):
        location.label((f"nobody-{number}", 1, None), sender="c-flood")
        location.counts()
    counts = location.counts()
    assert (counts.pending, counts.expired) == (4, 7)
    for name in ("early", "nobody-0", "nobody-9"):
        location.predict(name)
    assert [name for name, *_ in location.joined_rows()] == ["early", "nobody-9"]


def test_what_waits_in_vain_is_given_up_and_counted(location: Location) -> None:
    location.limits = JoinLimits(pending_s=100)
    location.restart()
    location.label(("unknown", 1, None))
    location.predict("known")
    location.label(("known", 1, None))
    location.join.advance()
    location.now += 50
    location.join.forget()
    assert location.counts().pending == 1
    location.now += 100
    location.join.forget()
    assert (location.counts().pending, location.counts().expired) == (0, 1)
    location.predict("unknown")
    assert [one[0] for one in location.joined_rows()] == ["known"]


def test_what_is_too_old_is_forgotten_in_rounds(location: Location) -> None:
    location.limits = JoinLimits(kept_s=1000)
    location.restart()
    for number in range(200):
        location.predict(f"old-{number}")
    location.label(*((f"old-{number}", 1, None) for number in range(0, 200, 2)))
    assert len(location.joined()) == 100
    location.now += 5000
    location.predict("new", "flight-delay@8")
    location.join.advance()
    for _ in range(1024):
        location.join.forget()
    assert location.joined_rows() == []
    location.label(("old-1", 1, None), ("new", 1, None), release="flight-delay@8")
    assert [one[0] for one in location.joined_rows()] == ["new"] and location.counts().pending == 1


def test_segments_that_were_removed_or_erased_leave_gaps(tmp_path: Path) -> None:
    gone: set[str] = set()

    def find(key_id: str) -> DataKey:
        if key_id in gone:
            raise KeyGoneError("gone", where=key_id)
        return DATA_KEY

    location = Location(tmp_path, keys=LogKeys(find))
    for number in range(30):
        location.predict(f"{number}")
        location.label((f"{number}", 1, None))
    assert len(location.joined()) == 30
    segments(location.log)[0].unlink()
    location.restart()
    remaining = location.joined()
    assert 0 < len(remaining) < 30 and remaining[-1].request_id == "29"
    gone.add(DATA_KEY.id)
    location.restart()
    assert location.joined() == [] == location.join.predictions_of(ENDPOINT, "29")
    location.close()


def test_the_file_tells_nothing_and_belongs_to_its_owner(location: Location) -> None:
    location.predict("customer-784-1990")
    location.label(("customer-784-1990", "declined", None))
    assert len(location.joined()) == 1
    location.close()
    data = b"".join(path.read_bytes() for path in location.folder.glob("labels.db*"))
    assert not [text for text in (b"customer", b"declined") if text in data]
    assert (location.folder / "labels.db").stat().st_mode & 0o077 == 0
    location.join = location.opened()
    # Who guesses an id and a label needs the data key to find them.
    salt = bytes.fromhex(location.join._register.get("secret").partition('"salt": "')[2][:32])  # type: ignore[union-attr]
    keys = {row[0] for row in location.join._db.execute("SELECT key FROM prediction")}
    assert keys and IdHasher(salt).prediction(ENDPOINT, "customer-784-1990") not in keys


def test_several_may_advance_at_once_and_nothing_is_joined_twice(location: Location) -> None:
    other = location.opened()
    for number in range(40):
        location.predict(f"{number}")
        location.label((f"{number}", 1, None))
        (location.join if number % 2 else other).advance()
    assert [one.request_id for one in location.joined()] == [f"{n}" for n in range(40)]
    other.close()


ids = st.sampled_from(["a", "b", "c"])
events = st.one_of(
    st.tuples(st.just("predict"), ids, st.sampled_from(sorted(ARMS))),
    st.tuples(st.just("label"), ids, st.sampled_from([0, 1, 2]), st.sampled_from([None, 5.0, 6.0, 7.0])),
    st.tuples(st.just("advance")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("die")),
)


def expected_of(happened: list[tuple[Any, ...]]) -> dict[tuple[str, str], Any]:
    """The end, told in memory: each prediction with the latest label of its id."""
    final_labels: dict[tuple[str, str], Any] = {}
    for _, name, release in [event for event in happened if event[0] == "predict"]:
        labels = [(at, arrived, label) for kind, other, label, at, arrived in
                  [event for event in happened if event[0] == "label"] if other == name]  # fmt: skip
        if labels:
            final_labels[name, release] = max(labels)[2]
    return final_labels


@settings(deadline=None, max_examples=30)
@given(st.lists(events, max_size=25), st.booleans())
def test_any_interleaving_with_restarts_and_deaths_ends_alike(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[Any, ...]], sealed: bool
) -> None:
    location = Location(tmp_path_factory.mktemp("location"), sealed=sealed)
    happened: list[tuple[Any, ...]] = []
    latest_labels: dict[tuple[str, str], Any] = {}
    cursor = 0
    for step, *values in script:
        if step == "predict":
            location.predict(*values)
            happened.append((step, *values))
        elif step == "label":
            name, label, at = values
            location.label((name, label, at))
            arrived = location.now
            happened.append((step, name, label, arrived if at is None else at, arrived))
        elif step == "restart":
            location.restart()
        elif step == "die":
            _die_within_a_step(location)
        else:
            location.join.advance()
            cursor = _take(location, cursor, latest_labels)
    location.join.advance()
    _take(location, cursor, latest_labels)
    assert latest_labels == expected_of(happened)
    location.close()


def _take(location: Location, cursor: int, latest_labels: dict[tuple[str, str], Any]) -> int:
    while True:
        batch, behind = location.join.read(cursor, limit=3)
        if behind == cursor:
            return cursor
        cursor = behind
        for one in batch:
            key = (one.request_id, one.release)
            assert one.correction == (key in latest_labels), "each prediction is told once, then corrected"
            assert not one.correction or latest_labels[key] != one.label[0]
            latest_labels[key] = one.label[0]


def _die_within_a_step(location: Location) -> None:
    """What a kill leaves: everything of the step was done and nothing of it was committed."""
    join = location.join

    def die(_entries: Any) -> None:
        raise MemoryError

    join._register.note_age = die  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        join.advance()
    del join._register.note_age  # type: ignore[attr-defined]
    location.restart()
