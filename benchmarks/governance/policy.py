"""What a decision costs: the question itself, the question with policies and bindings from the database, loading.

    python benchmarks/governance/policy.py

The limit of the question itself is 1 ms. `handle` over `text` is what keeping the parsed policies saves.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cedarpy
from timing import median_ms

from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import Database
from falaj.storage.facts import open_fact_store
from falaj.storage.policy_tables import RoleBindingRow
from falaj.trust.policy import (
    Action,
    Binding,
    ChangeFacts,
    Resource,
    Role,
    SignedFacts,
    authorize,
    built_in,
    decide,
    with_organisation,
)
from falaj.trust.policy.policyset import rule_text

LIMIT_MS = 1.0
NOW = 1_800_000_000.0
MARIAM = Principal("user:mariam", PrincipalKind.USER, step_up_at=NOW - 60, step_up_method="totp", email="m@example.ae")
PROD = Resource("change", "c1", project="flights", environment="prod", rank=3)
CHANGE = ChangeFacts(
    id="c1", kind="normal", state="awaiting_approval", requester="user:omar", digest="sha256:aa", environment="prod",
    rank=3, risk="high", release_state="verified", expires_at=NOW + 3600, passed_below=True, evidence_complete=True,
    residency_allowed=True,
)  # fmt: skip
CONTEXT = {"now": NOW, "change": CHANGE, "signed": SignedFacts("c1", "normal", "sha256:aa", "prod", 3, "k1")}
BOUND = (Binding(Role.RELEASE_MANAGER, environment="prod"),)


def ask(session: object, action: Action, resource: Resource, context: dict[str, object]) -> None:
    assert decide(session, MARIAM, action, resource, context).allowed  # type: ignore[arg-type]


def main() -> int:
    policies = built_in()
    project, plain = Resource("project", "flights", project="flights"), {"now": NOW}
    read = median_ms(lambda: authorize(MARIAM, Action.READ, project, plain, policies=policies, bindings=BOUND))
    approve = median_ms(
        lambda: authorize(MARIAM, Action.APPROVE_CHANGE, PROD, CONTEXT, policies=policies, bindings=BOUND)
    )
    texts = "\n".join(policies.texts.values())
    request = {
        "principal": {"type": "User", "id": "x"},
        "action": {"type": "Action", "id": "read"},
        "resource": {"type": "Resource", "id": "x"},
        "context": {"now": 1, "action": "read"},
    }
    parsing = median_ms(lambda: cedarpy.is_authorized(request, texts, [], rule_text("schema.cedarschema")), 20)
    handle = median_ms(lambda: cedarpy.is_authorized(request, policies.engine, [], policies.schema), 200)
    many = {
        f"p{n}": f'@id("p{n}") @explain("x") forbid (principal == User::"u{n}", action, resource);' for n in range(200)
    }
    loading = median_ms(lambda: with_organisation(many), 3)
    crowded = with_organisation(many)
    among = median_ms(lambda: authorize(MARIAM, Action.APPROVE_CHANGE, PROD, CONTEXT, policies=crowded, bindings=BOUND))
    with TemporaryDirectory() as folder:
        database = Database(
            f"sqlite:///{Path(folder) / 'falaj.db'}", open_fact_store(Path(folder), Path(folder) / "keys")
        )
        database.migrate()
        with database.transaction() as session:
            session.add(
                RoleBindingRow(
                    principal=MARIAM.id, role="release-manager", environment="prod", granted_by="x", granted_at=0.0
                )
            )
        with database.reading() as session:
            stored = median_ms(lambda: ask(session, Action.APPROVE_CHANGE, PROD, CONTEXT))
        database.close()
    for name, value in (
        ("authorize, reading a project", read),
        ("authorize, approving a change", approve),
        ("authorize, 200 policies more", among),
        ("decide, with settings and bindings from SQLite", stored),
        ("loading 200 policies of an organisation, with their trial", loading),
    ):
        sys.stdout.write(f"{name:<60} {value:8.3f} ms\n")
    sys.stdout.write(f"{'text parsed each time over parsed once':<60} {parsing / handle:8.1f} x\n")
    return 0 if max(read, approve) < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
