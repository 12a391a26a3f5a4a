"""What a record says of its routing, from the gateway's headers to the reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.packaging import PackagingResult
from falaj.dataplane.model_server.origin import Origin, origins
from falaj.dataplane.prediction_log import (
    LogKeys,
    LogWriter,
    Routing,
    SegmentHeader,
    find_prediction,
    new_log_key,
    read_segment,
    segments,
    tail,
)
from falaj.dataplane.prediction_log.format import encode_record
from falaj.dataplane.prediction_log.routing import is_shadow_host, routing_of, unit_numbers
from falaj.supply_chain.encryption import DataKey

from .conftest import Replica

DATA_KEY = DataKey("ab" * 16, "default", bytes(range(32)))
KEYS = LogKeys(lambda _id: DATA_KEY)
HEADER = SegmentHeader("flight-delay@7", "dev/flight-delay", ("hour",), 0)
origin = origins(HEADER.endpoint)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Routing(latency_s=0.25)),
        ({"falaj-arm": "candidate;w=500"}, Routing("candidate", 500, latency_s=0.25)),
        ({"falaj-arm": "stable; w=10000"}, Routing("stable", 10_000, latency_s=0.25)),
        ({"falaj-arm": "forced"}, Routing(forced=True, latency_s=0.25)),
        ({"falaj-arm": "candidate;w=500;forced"}, Routing("candidate", 500, forced=True, latency_s=0.25)),
        ({"falaj-arm": "stable;w=500", "host": "falaj-shadow"}, Routing("shadow", 500, latency_s=0.25)),
        ({"falaj-arm": "candidate;w=10001;w=;w=x;;what"}, Routing("candidate", latency_s=0.25)),
        ({"falaj-arm": "", "falaj-unit": "", "host": ""}, Routing(latency_s=0.25)),
    ],
)
def test_headers_become_facts(headers: dict[str, str], expected: Routing) -> None:
    assert routing_of(origin(headers, 1.0).facts(1.25)) == expected


@pytest.mark.parametrize(
    ("host", "shadow"),
    [
        ("models-shadow", True),
        ("models-shadow:8080", True),
        ("127.0.0.1-shadow:443", True),
        ("models", False),
        ("models:8080", False),
        ("models-shadow.example.org", False),
        ("[::1]:80", False),
        ("models-shadow:port", False),
    ],
)
def test_a_copy_is_told_by_its_host(host: str, shadow: bool) -> None:
    assert is_shadow_host(host) is shadow


def test_a_unit_has_one_number_an_endpoint_and_is_not_in_the_log() -> None:
    number = unit_numbers("prod/credit")("784-1990-1")
    assert number == unit_numbers("prod/credit")("784-1990-1")
    others = {unit_numbers("prod/credit")("784-1990-2"), unit_numbers(f"prod/{'x' * 70}")("784-1990-1")}
    assert number not in others and len(others) == 2
    record = encode_record("a", 1, [(1,)], {}, Origin(0.0, 1, 500, number).facts(1.0))
    assert b"784" not in record


facts = st.tuples(
    st.integers(0, 15), st.none() | st.integers(0, 10_000), st.none() | st.integers(0, 2**64 - 1), st.integers(0, 2**40)
)


@given(st.lists(facts | st.none(), max_size=6), st.booleans())
def test_facts_are_read_back_and_records_without_them_as_well(
    tmp_path_factory: pytest.TempPathFactory, written: list[Any], sealed: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = LogWriter(folder, HEADER, lambda: 1, key=new_log_key(DATA_KEY, HEADER.owner) if sealed else None)
    log.write([(str(n), 5, [(n,)], {}, *(() if one is None else (one,))) for n, one in enumerate(written)])
    log.close()
    log_records = list(read_segment(segments(folder)[0], KEYS))
    assert [record.routing for record in log_records] == [routing_of(one) for one in written]
    assert [record.rows for record in log_records] == [((n,),) for n in range(len(written))]


# A segment that was written before records had facts of their routing.
OLD_CLEAR = (
    "46414c414a57414c310a530000006d7a9efc7b2272656c65617365223a226d4031222c22656e64706f696e74223a226465762f6d222c2266"
    "65617475726573223a5b22686f7572225d2c22637265617465645f6e73223a312c227365616c223a6e756c6c7de98c6c4b0e000000001122"
    "33445566778899aabbccddeeff002f68590000000093c091910181a56c6162656c9100"
)


def test_a_segment_of_an_older_version_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "1.wal").write_bytes(bytes.fromhex(OLD_CLEAR))
    prediction_record = find_prediction(tmp_path, "00112233-4455-6677-8899-aabbccddeeff", KEYS)
    assert prediction_record is not None and (prediction_record.rows, prediction_record.outputs) == (
        ((1,),),
        {"label": [0]},
    )
    assert (prediction_record.at, prediction_record.routing, prediction_record.header.is_locked) == (
        1.5,
        Routing(),
        False,
    )
    assert tail(tmp_path, {}, KEYS) == ([prediction_record], {"before": "", "segments": {"1.wal": len(OLD_CLEAR) // 2}})


def test_the_answer_that_somebody_got_is_found_before_that_of_a_shadow(tmp_path: Path) -> None:
    for release, flags in (("flight-delay@7", 1), ("flight-delay@8", 9)):
        log = LogWriter(tmp_path / release[-1], SegmentHeader(release, HEADER.endpoint, ("hour",), 0), lambda: 1)
        log.write([("both", 1, [(1,)], {}, (flags, 500, None, 7))])
        if flags == 9:
            log.write([("shadow", 1, [(1,)], {}, (flags, 500, None, 7))])
        log.close()
    prediction_record, copy = find_prediction(tmp_path, "both"), find_prediction(tmp_path, "shadow")
    assert (
        prediction_record is not None
        and prediction_record.header.release == "flight-delay@7"
        and not prediction_record.routing.shadow
    )
    assert copy is not None and copy.routing.shadow


@pytest.mark.integration
def test_a_real_replica_logs_them(
    serve: Callable[..., Replica], packaged: Callable[[str], tuple[Path, PackagingResult]]
) -> None:
    replica = serve(packaged("linear")[0])
    body = {"instances": [[5.0, 700.0]]}
    routed = {"falaj-arm": "candidate;w=250", "falaj-unit": "customer-9", "x-request-id": "a"}
    assert replica.invoke(body, headers=routed).status_code == 200
    assert replica.invoke(body, headers={"x-request-id": "b"}).status_code == 200
    assert replica.invoke(body, headers={**routed, "x-request-id": "c", "host": "x-shadow:80"}).status_code == 200
    routing_by_id = {one.request_id: one.routing for one in read_segment(segments(replica.log)[0])}
    unit = unit_numbers("dev/flight-delay")("customer-9")
    assert (routing_by_id["a"].arm, routing_by_id["a"].weight, routing_by_id["a"].unit, routing_by_id["a"].forced) == (
        "candidate",
        250,
        unit,
        False,
    )
    assert (routing_by_id["b"].arm, routing_by_id["b"].weight, routing_by_id["b"].unit) == ("", None, None)
    assert (routing_by_id["c"].arm, routing_by_id["c"].weight, routing_by_id["c"].shadow) == ("shadow", 250, True)
    assert all(one.latency_s is not None and 0 < one.latency_s < 5 for one in routing_by_id.values())
