"""A platform with people, keys and releases on a clock that the test moves; agents are played by the test."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from falaj.api.controller import Controller
from falaj.api.platform import Platform
from falaj.config.platform_spec import PlatformSpec
from falaj.control import changes, releases
from falaj.core.home import Home
from falaj.core.principal import Principal, PrincipalKind
from falaj.schemas.identity import key_proof
from falaj.storage import Database, EndpointRow, ProjectRow, ReleaseRow, RunRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.policy_tables import RoleBindingRow
from falaj.storage.settings_tables import SettingsRow
from falaj.supply_chain.attestations import Envelope, Signer, load_or_create_key
from falaj.supply_chain.attestations.approval import sign_approval
from falaj.trust import settings
from falaj.trust.identity import NewAccount, accounts, register
from tests.supply_chain.attestations.releases import COMMIT, make

START = 1_800_000_000.0
MODEL = "flight-delay"
WORKER = Principal(releases.WORKER, PrincipalKind.WORKLOAD)


@dataclass(frozen=True)
class ClockedPlatform(Platform):
    """A platform whose time stands until the test moves it."""

    clock: list[float] = field(default_factory=lambda: [START])

    def now(self) -> float:  # type: ignore[override]
        return self.clock[0]


@dataclass
class Scene:
    """What the tests of changes play with."""

    folder: Path
    platform: ClockedPlatform
    keys: dict[str, Signer] = field(default_factory=dict)
    next_number: int = 0

    @property
    def now(self) -> float:
        return self.platform.clock[0]

    def wait(self, seconds: float) -> None:
        self.platform.clock[0] += seconds

    def settle(self, spec: PlatformSpec) -> None:
        """Make settings the ones that hold."""
        with self.platform.database.transaction() as session:
            session.add(
                SettingsRow(
                    version=len(settings.history(session)) + 1,
                    digest=settings.digest(spec),
                    spec=spec.to_json(),
                    text="",
                    actor="user:root",
                    at=self.now,
                    differences=[],
                    envelope={},
                    keys={},
                )
            )

    def person(self, name: str, *roles: str, email: str = "") -> Principal:
        """Someone with roles and an approval key, who has just logged in."""
        with self.platform.database.transaction() as session:
            new_account = NewAccount(PrincipalKind.USER, name, accounts.LOCAL, email or f"{name}@example.org")
            row = accounts.create(session, new_account, "user:root", self.now)
            for role in roles:
                session.add(
                    RoleBindingRow(
                        principal=row.id, role=role, granted_by="user:root", granted_at=self.now, tenant="default"
                    )
                )
            who = self.fresh(accounts.principal_of(row, authenticated_at=self.now))
            signer = self.keys[who.id] = load_or_create_key(self.folder / f"{name}.pem")
            proof = base64.b64encode(signer.sign(key_proof(who.id, signer.key_id))).decode()
            register(session, self.platform.keyring.signer_for(_IDENTITY), who, signer.public_pem, proof, self.now)
        return who

    def fresh(self, who: Principal) -> Principal:
        """The same person, who has proved it again just now."""
        from dataclasses import replace

        return replace(who, authenticated_at=self.now, step_up_at=self.now, step_up_method="login")

    def release(
        self, *, risk: str = "low", author: str = "Amal <amal@example.org>", health: bool = False, **extra_data: Any
    ) -> ReleaseRow:
        """A finished run publishes a release."""
        self.next_number += 1
        run_id = f"run{self.next_number}"
        weights = f"weights {self.next_number}".encode()
        release_bundle = make(
            self.folder / run_id, self.platform.keyring, weights=weights, run=run_id, author=author, health=health,
            risk=risk, **extra_data,
        )  # fmt: skip
        files = sorted((release_bundle.folder / "evidence").iterdir())
        envelopes = [("type", json.loads(file.read_text())) for file in files]
        data = {
            "deploy": ["dev"],
            "serving": {"replicas": 1},
            "snapshots": {"flights": "1", "weather": "2"},
        }
        with self.platform.database.transaction() as session:
            if session.get(ProjectRow, "flights") is None:
                session.add(ProjectRow(name="flights", repository="/r", branch="main", created_at=self.now))
                session.flush()
            run = RunRow(
                id=run_id, project="flights", commit=COMMIT, trigger="push", params={}, state="succeeded",
                created_at=self.now,
            )  # fmt: skip
            session.add(run)
            session.flush()
            candidate = releases.Candidate(MODEL, release_bundle.digest, envelopes, data, None)
            return releases.publish(session, run, candidate, self.now)

    def to_dev(self, release_row: ReleaseRow) -> ChangeRow:
        """What a finished run asks for, carried out."""
        with self.platform.database.transaction() as session:
            change_row = changes.request_automatic(self.platform.turn(session), WORKER, release_row, "dev")
        return self.deployed(change_row.id)

    def request(
        self, who: Principal, release_row: ReleaseRow, environment: str, kind: str = "normal", **more: Any
    ) -> ChangeRow:
        change_request = changes.ChangeRequest(
            f"{MODEL}@{release_row.number}", environment, kind, **{"reason": "because", **more}
        )
        with self.platform.database.transaction() as session:
            return changes.request(self.platform.turn(session), who, change_request)

    def signed(self, who: Principal, change_id: str, **edits: Any) -> Envelope:
        """The approval that a person signs, with some of it edited."""
        from falaj.supply_chain.attestations.predicates import predicate_of

        with self.platform.database.reading() as session:
            turn = self.platform.turn(session)
            predicate = predicate_of(changes.to_sign(turn, turn.change(change_id), who.id))
        return sign_approval({**predicate, **edits}, self.keys[who.id])

    def approve(self, who: Principal, change_id: str, envelope: Envelope | None = None) -> ChangeRow:
        approval = envelope or self.signed(who, change_id)
        with self.platform.database.transaction() as session:
            return changes.approve(self.platform.turn(session), self.fresh(who), change_id, approval)

    def work(self) -> None:
        """The controller does everything that is due."""
        controller = Controller(self.platform, "test")
        while controller.advance_change() or controller.advance_deployment():
            pass

    def report(self, state: str = "ready", *, conclude: bool = True) -> None:
        """Every agent says the same of every endpoint that it is to serve."""
        with self.platform.database.transaction() as session:
            rows = [row for row in session.query(EndpointRow) if not row.plan.get("withdrawn")]
            for row in rows:
                endpoint_report = {
                    "endpoint": f"{row.environment}/{row.model}",
                    "release": row.release,
                    "state": state,
                    "message": "m",
                }
                for change in releases.observe(
                    session, self.platform.processes, row.location, [endpoint_report], self.now
                ):
                    if conclude:
                        changes.complete_change(self.platform.turn(session), change)

    def deployed(self, change_id: str) -> ChangeRow:
        """The change after the controller and the agents have done their part."""
        self.work()
        self.report()
        self.work()
        return self.change(change_id)

    def change(self, change_id: str) -> ChangeRow:
        with self.platform.database.reading() as session:
            return session.get_one(ChangeRow, change_id)

    def promoted(self, who: Principal, release_row: ReleaseRow, environment: str, *approvers: Principal) -> ChangeRow:
        """A change all the way to its end."""
        change_row = self.request(who, release_row, environment)
        for approver in approvers:
            self.approve(approver, change_row.id)
        return self.deployed(change_row.id)

    def serving(self, environment: str) -> int | None:
        """The release that an environment is to serve."""
        with self.platform.database.reading() as session:
            rows = releases.endpoints_of(session, MODEL, environment)
            return rows[0].release if rows else None

    def state(self, release_row: ReleaseRow) -> str:
        with self.platform.database.reading() as session:
            return session.get_one(ReleaseRow, (release_row.model, release_row.number)).state


_IDENTITY = "https://falaj.dev/evidence/identity/v1"


def open_scene(folder: Path, database: Database) -> Scene:
    """An installation with default settings and nobody in it."""
    return Scene(folder, ClockedPlatform(Home(folder / "home", {}).prepare(), database))
