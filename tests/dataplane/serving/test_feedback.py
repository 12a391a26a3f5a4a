"""Labels that are sent to a replica: what is refused and how it is said, and what is kept whatever happens next."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.packaging import PackagingResult
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.model_server.feedback import MOST_LABELS, decode_labels
from falaj.dataplane.prediction_log import LABELS, LabelRecord, follow, labels_of
from falaj.models.errors import RequestError, problem
from tests.waiting import HANGS_AFTER_S, until

from .conftest import Replica

pytestmark = pytest.mark.integration

NOW = 1_700_000_000.0
CALLER = {"falaj-caller": "c-ana"}
JSON = {"content-type": "application/json", **CALLER}
LONG = "x" * 129


def body(*items: Any) -> bytes:
    return json.dumps({"labels": list(items)}).encode()


def label(**values: Any) -> dict[str, Any]:
    return {"prediction_id": "a", "label": 1} | values


MISTAKES: list[tuple[bytes, int, int | None, str | None, str]] = [
    (b"", 400, None, None, "not JSON"),
    (b"\xff", 400, None, None, "not JSON"),
    (b"[]", 400, None, None, "object"),
    (b"{}", 400, None, "labels", "missing"),
    (body(), 400, None, "labels", "length"),
    (body(*[label()] * (MOST_LABELS + 1)), 400, None, "labels", str(MOST_LABELS)),
    (body(label(), "b"), 400, 1, "labels", "object"),
    (body(label(), {"label": 1}), 400, 1, "prediction_id", "missing"),
    (body(label(prediction_id="")), 400, 0, "prediction_id", "length"),
    (body(label(prediction_id=LONG)), 400, 0, "prediction_id", "length"),
    (body(label(prediction_id=7)), 400, 0, "prediction_id", "str"),
    (body(label(), {"prediction_id": "b"}), 400, 1, "label", "missing"),
    (body(label(label=None)), 400, 0, "label", "null"),
    (body(label(label={"late": 1})), 400, 0, "label", "object"),
    (body(label(label=[[1]])), 400, 0, "label", "array"),
    (body(label(label=[])), 422, 0, "label", "says nothing"),
    (body(label(label=[None, None])), 422, 0, "label", "says nothing"),
    (body(label(), label(label=2**63)), 422, 1, "label", "64 bits"),
    (body(label(at="yesterday")), 400, 0, "at", "datetime"),
    (body(label(at="2023-11-14T10:00:00")), 422, 0, "at", "+04:00"),
    (body(label(at=NOW + 400)), 422, 0, "at", "between"),
    (body(label(at=NOW * 1000)), 422, 0, "at", "milliseconds"),
    (body(label(at=-1)), 422, 0, "at", "1970"),
]


@pytest.mark.parametrize(("label_body", "status", "item", "field", "message"), MISTAKES)
def test_a_mistake_is_named_by_item_and_field(
    label_body: bytes, status: int, item: int | None, field: str | None, message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        decode_labels(label_body, NOW)
    document = json.loads(problem(caught.value, "request"))
    assert (document["status"], document.get("item"), document.get("field")) == (status, item, field)
    assert message in document["detail"] and "row" not in document


scalars = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
labels = scalars | st.booleans() | st.lists(scalars | st.none(), min_size=1).filter(any)
times = st.none() | st.floats(0, NOW)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=32), labels, times), min_size=1, max_size=5))
def test_every_label_of_the_form_is_taken_as_it_is(label_rows: list[tuple[str, Any, float | None]]) -> None:
    items = [{"prediction_id": name, "label": value, "at": at} for name, value, at in label_rows]
    assert decode_labels(json.dumps({"labels": items}).encode(), NOW) == label_rows


def test_times_may_be_written_with_their_offset() -> None:
    label_body = body(label(at="2023-11-14T10:00:00Z"), label(at="2023-11-14T14:00:00.5+04:00"))
    assert [at for _, _, at in decode_labels(label_body, NOW)] == [1699956000.0, 1699956000.5]


Serve = Callable[..., Replica]
Packaged = Callable[[str], tuple[Path, PackagingResult]]


@pytest.fixture
def replica(serve: Serve, packaged: Packaged) -> Replica:
    return serve(packaged("linear")[0])


def stored_labels(folder: Path) -> list[LabelRecord]:
    entries, _ = follow(folder, {}, kind=LABELS)
    return [one for entry in entries for one in labels_of(entry.header, entry.raw)]


def test_labels_are_accepted_counted_and_joined(replica: Replica, tmp_path: Path) -> None:
    answered = replica.invoke({"instances": [[5.0, 700.0], [6.0, 80.0]]}, headers={"x-request-id": "order-17"})
    assert answered.status_code == 200
    response = replica.client.post(
        "/feedback", content=body(label(prediction_id="order-17", label=[12.5, None], at=NOW)), headers=JSON
    )
    assert (response.status_code, response.json()) == (202, {"accepted": 1})
    assert response.headers["falaj-release"] == "flight-delay@7"
    refused = replica.client.post(
        "/feedback", content=body(label(), label(at=-5)), headers={**JSON, "x-request-id": "bad"}
    )
    assert refused.status_code == 422 and refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["item"] == 1 and refused.json()["request_id"] == "bad"
    assert replica.client.get("/feedback").status_code == 405
    assert (
        'falaj_labels_total{release="flight-delay@7",endpoint="dev/flight-delay"} 1'
        in replica.client.get("/metrics").text
    )
    with LabelJoin(tmp_path / "labels.db", replica.log) as join:
        join.advance()
        [joined], _ = join.read()
    assert (joined.request_id, joined.label, joined.labelled_at) == ("order-17", (12.5, None), NOW)
    assert answered.json()["predictions"] in joined.outputs.values()


def test_a_web_page_cannot_send_labels(replica: Replica) -> None:
    for odd in ({"content-type": "text/plain"}, {}, {"content-type": "application/jsonx"}):
        answer = replica.client.post("/feedback", content=body(label()), headers=odd)
        assert (answer.status_code, answer.json()["code"]) == (415, "serving.feedback-type")
    for origin in ("https://evil.example", "null", "http://localhost"):
        answer = replica.client.post("/feedback", content=body(label()), headers={**JSON, "origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "serving.foreign-origin")
    utf8 = {**JSON, "content-type": "Application/JSON; charset=utf-8"}
    assert replica.client.post("/feedback", content=body(label()), headers=utf8).status_code == 202


def test_a_copy_of_labels_is_not_kept_twice(replica: Replica) -> None:
    for host in ("falaj", "falaj-shadow"):
        assert (
            replica.client.post("/feedback", content=body(label()), headers={**JSON, "host": host}).status_code == 202
        )
    assert len(stored_labels(replica.log)) == 1


def test_without_a_log_there_is_nowhere_to_keep_labels(serve: Serve, packaged: Packaged, tmp_path: Path) -> None:
    import sys

    line = (sys.executable, "-c", WITHOUT_LOG)
    replica = serve(packaged("linear")[0], command=line)
    assert replica.client.post("/feedback", content=body(label()), headers=JSON).status_code == 404
    assert not (tmp_path / "log").exists()


WITHOUT_LOG = """
import sys
from falaj.dataplane.model_server.__main__ import main
at = sys.argv.index("--log")
sys.exit(main(sys.argv[1:at] + sys.argv[at + 2:]))
"""


# httpcore leaves a Unix socket that could not connect to the garbage collector, and the replica is gone by design.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_accepted_label_is_lost_when_the_replica_is_killed(replica: Replica) -> None:
    accepted: set[str] = set()
    lock = threading.Lock()

    def send() -> None:
        transport = httpx.HTTPTransport(uds=str(replica.socket))
        ended = contextlib.suppress(httpx.TransportError)
        with httpx.Client(transport=transport, base_url="http://r") as client, ended:
            for _ in range(10_000):
                names = [str(uuid.uuid4()) for _ in range(20)]
                answer = client.post(
                    "/feedback", content=body(*(label(prediction_id=name) for name in names)), headers=JSON
                )
                assert answer.json() == {"accepted": 20}
                with lock:
                    accepted.update(names)

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send) for _ in range(4)]
        until(lambda: len(accepted) >= 400)
        replica.process.send_signal(signal.SIGKILL)
    assert all(each.exception() is None for each in sending)
    stored_ids = {one.prediction_id for one in stored_labels(replica.log)}
    assert len(accepted) > 100 and accepted <= stored_ids


def test_ten_thousand_labels_at_once_do_not_hold_up_predictions(replica: Replica) -> None:
    many = body(*(label(prediction_id=f"{number}") for number in range(MOST_LABELS)))

    def send() -> Any:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(replica.socket)), base_url="http://r") as client:
            return [
                client.post("/feedback", content=many, headers=JSON, timeout=HANGS_AFTER_S).json() for _ in range(2)
            ]

    answered = 0
    with ThreadPoolExecutor(2) as pool:
        sending = [pool.submit(send) for _ in range(2)]
        while not all(each.done() for each in sending):
            assert replica.invoke({"instances": [[5.0, 700.0]]}).status_code == 200
            answered += 1
    assert [each.result() for each in sending] == [[{"accepted": MOST_LABELS}] * 2] * 2
    assert answered > 4  # held up, each would wait for one of the four
    assert len(stored_labels(replica.log)) == 4 * MOST_LABELS
