"""What a machine of an executor may not: over real TLS, with an order that is held by somebody."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import select

from falaj.build.pipeline.receipt import ReceiptOutput, StepReceipt
from falaj.build.pipeline.step_order import OrderInput, OrderPart, StepOrder, order_key
from falaj.config.platform_spec import ExecutorSpec
from falaj.control.executors import order_queue
from falaj.control.step_worker.bootstrap import join
from falaj.control.step_worker.errors import OrderGoneError
from falaj.control.step_worker.server import HeldOrder, OrderServer
from falaj.core.home import Home
from falaj.dataplane.agent.agent_identity import Membership
from falaj.dataplane.agent.renewal import Renewal, RenewedTransport
from falaj.schemas.executors import LeasedOrder
from falaj.storage import ProjectRow, RunRow
from falaj.storage.executor_tables import StepOrderRow
from falaj.supply_chain.artifacts import ArtifactStore, Digest, open_store
from falaj.supply_chain.artifacts.reading import blob_key, manifest_key
from falaj.supply_chain.artifacts.transfer import opened
from falaj.supply_chain.encryption.stream import DataKey, seal
from falaj.trust import configuration, settings
from falaj.trust.pki import agent_certificates, enrolment
from tests.agents_port import AgentsPort, agents_port

pytestmark = pytest.mark.integration


@dataclass
class Place:
    """The port, two machines of one executor, and an order that the first holds."""

    port: AgentsPort
    first: Membership
    second: Membership
    leased: LeasedOrder
    secret: Digest

    @property
    def store(self) -> ArtifactStore:
        return self.port.platform.store

    def order(self, by: Membership, leased: LeasedOrder | None = None) -> HeldOrder:
        return OrderServer(by.client(by.transport())).order(leased or self.leased)

    def sealed(self, name: str, data: bytes) -> io.BytesIO:
        key = DataKey(self.leased.output_key_id, self.leased.tenant, base64.b64decode(self.leased.output_key))
        return io.BytesIO(b"".join(map(bytes, seal([data], key, name, bytes(range(32))))))


def joined(port: AgentsPort, folder: Path) -> Membership:
    platform = port.platform
    with platform.database.transaction() as session:
        token = enrolment.invite_machine(session, "gpu", "user:root", platform.now())
    text = f"{token.location}:{platform.authority.fingerprint}:{token.token}"
    return join(Home(folder, {}).prepare(), port.url, text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with agents_port(folder) as port:
        platform = port.platform
        with platform.database.transaction() as session:
            spec = replace(settings.current(session), executors={"gpu": ExecutorSpec("gpu")})
            configuration.apply(session, spec, "user:root", 1.0)
            session.add(ProjectRow(name="p", repository="/r", branch="main", created_at=1.0))
            session.flush()
            session.add(
                RunRow(id="r1", project="p", commit="c", trigger="push", params={}, state="running", created_at=1.0)
            )
        tree, secret = platform.store.put_bytes(b"code").digest, platform.store.put_bytes(b"of another tenant").digest
        with platform.database.transaction() as session:
            order_queue.place(session, order(tree), "gpu")
        first, second = joined(port, folder / "first"), joined(port, folder / "second")
        leased = OrderServer(first.client(first.transport())).claim(4.0, 1 << 30)
        assert leased is not None
        yield Place(port, first, second, leased, secret)


def order(tree: str) -> StepOrder:
    part = OrderPart("rows", tree, "file", "rows.csv")
    return StepOrder(
        key=order_key("r1", "fit", 1, 1), run="r1", node="fit", fingerprint="f", attempt=1, fence=1, environment="e",
        call="m:f", command=None, params={}, inputs=(OrderInput("rows", False, (part,)),), outputs=("output",),
        tree=tree,
    )  # fmt: skip


def test_the_holder_reads_what_its_order_names_and_nothing_that_lies_in_the_clear(place: Place) -> None:
    digest = place.leased.order["tree"]
    grants = place.order(place.first).grants(digest)
    fetched = {each.name: b"".join(place.order(place.first).fetch(digest, each.name)) for each in grants}
    assert b"code" not in b"".join(fetched.values())
    assert b"".join(opened([fetched[grants[1].name]], grants[1])) == b"code"


def test_another_artifact_is_refused(place: Place) -> None:
    with pytest.raises(OrderGoneError, match=r"step-order\.artifact"):
        place.order(place.first).grants(place.secret)
    entry = place.store.manifest(place.secret).files[0]
    with pytest.raises(OrderGoneError, match="no such object"):
        b"".join(place.order(place.first).fetch(place.leased.order["tree"], blob_key(entry.blob)))


def test_the_key_of_one_object_opens_no_other(place: Place) -> None:
    grants = place.order(place.first).grants(place.leased.order["tree"])
    other = place.store.backend.inner.read(blob_key(place.store.manifest(place.secret).files[0].blob))  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="encrypted bytes"):
        b"".join(opened(other, grants[1]))


@pytest.mark.parametrize("lease", ["", "0" * 32])
def test_another_machine_and_another_lease_are_refused(place: Place, lease: str) -> None:
    for by, leased in ((place.second, place.leased), (place.first, replace(place.leased, lease=lease))):
        holder = place.order(by, leased)
        for attempt in (holder.renew, lambda h=holder: h.output("x"), lambda h=holder: h.settle(StepReceipt("0" * 64))):
            with pytest.raises(OrderGoneError):
                attempt()


def test_bytes_are_kept_under_their_own_digest_alone(place: Place) -> None:
    victim = blob_key(place.store.manifest(place.secret).files[0].blob)
    with pytest.raises(OrderGoneError, match=r"artifact\.corrupt"):
        place.order(place.first).send(victim, place.sealed(victim, b"something else!!!"))
    absent = f"blobs/00/{'0' * 62}"
    with pytest.raises(OrderGoneError, match=r"artifact\.corrupt"):
        place.order(place.first).send(absent, place.sealed(absent, b"x"))
    assert place.store.backend.size(absent) is None
    with pytest.raises(OrderGoneError):
        place.order(place.first).send(victim, io.BytesIO(b"in the clear"))
    place.store.verify(place.secret)


def test_a_receipt_cannot_name_what_somebody_else_has_made(place: Place) -> None:
    receipt = StepReceipt(place.leased.key, {"output": ReceiptOutput(place.secret, "file")})
    with pytest.raises(OrderGoneError, match=r"step-order\.artifact"):
        place.order(place.first).settle(receipt)
    with place.port.platform.database.reading() as session:
        assert session.scalars(select(StepOrderRow.state)).one() == "leased"


def test_what_was_sent_becomes_the_output(place: Place, tmp_path: Path) -> None:
    output = open_store(str(tmp_path)).put_bytes(b"42")
    data = open_store(str(tmp_path)).manifest(output.digest)
    blob = blob_key(data.files[0].blob)
    holder = place.order(place.first)
    holder.send(blob, place.sealed(blob, b"42"))
    holder.send(manifest_key(output.digest), place.sealed(manifest_key(output.digest), data.encode()))
    holder.settle(StepReceipt(place.leased.key, {"output": ReceiptOutput(output.digest, "file")}))
    assert place.store.read_bytes(output.digest) == b"42"
    with pytest.raises(OrderGoneError):
        holder.settle(StepReceipt(place.leased.key))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/locations/edge-1/desired"), ("GET", "/api/v1/runs"), ("POST", "/api/v1/changes"),
        ("GET", "/api/v1/executors"), ("POST", "/api/v1/executors/gpu/machines"), ("GET", "/api/v1/audit"),
    ],
)  # fmt: skip
def test_a_machine_asks_for_orders_alone(place: Place, method: str, path: str) -> None:
    with place.first.client(place.first.transport()) as http:
        assert http.request(method, path, json={} if method == "POST" else None).status_code in (403, 404, 405, 422)


def test_who_is_no_machine_gets_no_order(place: Place, tmp_path: Path) -> None:
    agent = place.port.join(tmp_path)
    with agent.client(agent.transport()) as http, pytest.raises(OrderGoneError, match="403"):
        OrderServer(http).claim(1.0, 1)
    with place.first.client(place.first.transport(certified=False)) as http, pytest.raises(OrderGoneError, match="401"):
        OrderServer(http).claim(1.0, 1)
    with httpx.Client(base_url=place.port.url, verify=False, trust_env=False) as http:
        body = http.post("/api/v1/step-orders/claim", json={"cpu": 1, "memory_bytes": 1})
    assert body.status_code == 401


def test_a_certificate_is_renewed_and_one_that_was_taken_back_is_refused(place: Place) -> None:
    transport = RenewedTransport(place.second)
    Renewal(place.second, transport).renew()
    with place.second.client(transport) as http:
        assert OrderServer(http).order(place.leased)
    with place.port.platform.database.transaction() as session:
        agent_certificates.forget_machine(session, place.second.location, "user:root", 2.0)
    with place.second.client(place.second.transport()) as http, pytest.raises(OrderGoneError, match="401"):
        OrderServer(http).claim(1.0, 1)


def test_what_a_machine_keeps_opens_nothing_of_the_server(place: Place) -> None:
    files = [path for path in place.first.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"server.json", "ca.crt", "agent.pem"}
    assert msgspec.json.decode((place.first.folder / "server.json").read_bytes()).keys() == {"url", "token"}
