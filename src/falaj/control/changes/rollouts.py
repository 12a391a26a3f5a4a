"""How a change comes in: the strategy of its deployments, and the signed record of what a rollout found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from falaj.config.platform_spec import EnvironmentSpec
from falaj.control.changes.context import CONTROLLER, ChangeContext
from falaj.statistics.rollout import RolloutStrategy
from falaj.storage import EvidenceRow, ProcessRow, ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.supply_chain.attestations import ROLLOUT, RolloutRecord, SigningRole, sign_statement
from falaj.trust import audit

Chosen = tuple[RolloutStrategy, Mapping[str, Any]]


def strategy_for(row: ChangeRow, release: ReleaseRow, environment: EnvironmentSpec) -> Chosen:
    """The strategy of a change's deployments and its options.

    A rollback and an emergency change come in at once: whoever needs one cannot wait for evidence. Where the platform's
    team asks for a strategy, that one holds, else the one of the project's file.
    """
    if row.restores or row.kind == "emergency":
        return RolloutStrategy.RECREATE, {}
    if row.data.get("challenge"):
        return RolloutStrategy.CHALLENGER, _comparison(release, environment)
    wished = release.data.get("strategies", {}).get(environment.name) or {"kind": "recreate", "options": {}}
    rollout_spec = environment.rollout or wished
    return RolloutStrategy(rollout_spec["kind"]), dict(rollout_spec.get("options", {}))


def _comparison(release: ReleaseRow, environment: EnvironmentSpec) -> dict[str, Any]:
    """By what a challenger is compared: as candidates are judged there, or else by errors, latency and `brier`."""
    wished = release.data.get("strategies", {}).get(environment.name) or {}
    options = (environment.rollout or wished).get("options", {})
    block = {"label_block_s": options["label_block_s"]} if "label_block_s" in options else {}
    return {"metrics": list(options.get("metrics") or ("errors", "latency", "brier")), **block}


def record_rollouts(turn: ChangeContext, row: ChangeRow, processes: Sequence[ProcessRow]) -> None:
    """Sign what the rollouts of a change found, each once, as evidence of its release."""
    fresh = [each for each in processes if each.data.get("record") and not each.data.get("signed")]
    for process in fresh:
        record = process.data["record"]
        rollout_record = RolloutRecord.of(row.id, process.data, record)
        signer = turn.keyring.signer_for(ROLLOUT)
        envelope = sign_statement(rollout_record.statement(), signer)
        turn.session.add(
            EvidenceRow(
                model=row.model,
                number=row.release,
                run_id=turn.release(row).run_id,
                predicate_type=ROLLOUT,
                envelope=dict(envelope),
            )
        )
        audit.write_evidence(turn.session, envelope, f"change/{row.id}", CONTROLLER.id, turn.now)
        process.data = {**process.data, "signed": True}
    if fresh:  # locations believe evidence that the log shows, and ask for the release again
        audit.checkpoint(turn.session, turn.keyring.signer(SigningRole.LOG), turn.now)
