"""Gates computed again from answers and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from falaj.build.checks.champion import against_champion
from falaj.build.checks.context import LiveModel
from falaj.build.checks.gates import judge
from falaj.build.checks.results import GateResult
from falaj.build.checks.scoring import GateScoring, OwnValue, Scores
from falaj.config.spec import GateSpec
from falaj.control.notary.attestation import Attestation, GateClaim, ScoredTable
from falaj.control.notary.errors import DoesNotRecomputeError
from falaj.supply_chain.artifacts import Digest
from falaj.supply_chain.attestations.predicates import OURS, PINNED, PROJECT, WORKER, GateRecord

_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True)
class _Gates:
    gates: tuple[GateSpec, ...]


@dataclass(frozen=True)
class _Bench:
    """What the judge of gates looks at: see `falaj.build.checks.context.GateContext`."""

    spec: _Gates
    model: Digest
    live: LiveModel | None
    blocks: str | None
    outputs: Mapping[str, Digest]
    seed: int = 0

    def model_digest(self) -> Digest:
        return self.model


def record_of(result: GateResult) -> GateRecord:
    """What evidence says of a gate."""
    own = result.gate.own is not None
    return GateRecord(
        text=result.gate.text,
        passed=result.passed,
        value=result.value,
        limit=result.limit,
        rows=result.rows,
        interval=result.interval,
        slice=result.slice,
        reason=result.reason,
        metric=PROJECT if own else OURS,
        claimed_by=WORKER if own else "",
    )


def judged_again(
    claims: Attestation, tables: Mapping[str, ScoredTable]
) -> tuple[tuple[GateRecord, ...], dict[str, Any] | None]:
    """The gates and the comparison with the live release as they come out here.

    Args:
        claims: Names the gates, and what was found of them.
        tables: Answers and labels.

    Raises:
        DoesNotRecomputeError: Something else comes out.
    """
    bench, scoring = _bench(claims), _scoring(claims, tables)
    records = []
    for claim in claims.gates:
        if claim.spec.data not in scoring.tables and not claim.record.passed:
            raise DoesNotRecomputeError(f"the gate `{claim.spec.text}` did not pass", where=claim.spec.data)
        try:
            record = record_of(judge(claim.spec, scoring, bench))
        except (KeyError, ValueError, IndexError, TypeError) as error:
            message = f"the gate `{claim.spec.text}` cannot be computed from the scores: {error!r}"
            raise DoesNotRecomputeError(message) from error
        _require_same(claim.record, record)
        records.append(replace(record, exam=_exam_of(claim, claims)))
    return tuple(records), _champion(claims, bench, scoring)


def _exam_of(claim: GateClaim, claims: Attestation) -> str:
    """Who wrote the exam of a gate: a pinned one is a snapshot of the run, and nothing was trained on it."""
    if claim.record.exam != PINNED:
        return PROJECT
    name, digest = claim.spec.data, claims.circumstances.outputs.get(claim.spec.data)
    described = {(snapshot.name, snapshot.digest) for snapshot, _ in claims.datasets}
    learned = {snapshot.digest for snapshot in claims.train.snapshots}
    if (name, digest) not in described or digest in learned:
        raise DoesNotRecomputeError(f"the exam {name} is not a snapshot of this run, or was trained on")
    return PINNED


def _bench(claims: Attestation) -> _Bench:
    around = claims.circumstances
    live = (
        LiveModel(around.release, Digest(around.live), around.learned_until, frozenset(around.acceptance))
        if around.live
        else None
    )
    outputs = {name: Digest(digest) for name, digest in around.outputs.items()}
    gates = _Gates(tuple(claim.spec for claim in claims.gates))
    return _Bench(gates, Digest(claims.digest), live, around.blocks, outputs)


def _scoring(claims: Attestation, tables: Mapping[str, ScoredTable]) -> GateScoring:
    own: dict[str, dict[tuple[str, str], OwnValue]] = {}
    for claim in claims.gates:
        values = {(claim.spec.text, name): value for name, value in claim.own.items()}
        own.setdefault(claim.spec.data, {}).update(values)
    scores = {
        name: Scores(
            table.label, table.scores, table.slices, claims.tables[name].problems, claims.tables[name].classes,
            claims.tables[name].names, own.get(name, {}),
        )
        for name, table in tables.items()
        if name in claims.tables
    }  # fmt: skip
    missing = {claim.spec.data for claim in claims.gates} - scores.keys()
    return GateScoring(scores, dict.fromkeys(missing, "no rows were handed over"), {})


def _champion(claims: Attestation, bench: _Bench, scoring: GateScoring) -> dict[str, Any] | None:
    hope = claims.circumstances.hope
    if claims.champion is None:
        return None
    if hope not in ("better", "as good", "not worse"):
        raise DoesNotRecomputeError("the comparison with the live release does not say what it had to show")
    verdict = asdict(against_champion(bench, scoring, hope))  # type: ignore[arg-type]
    if verdict["wins"] != claims.champion.get("wins") or not _close(verdict["candidate"], claims.champion["candidate"]):
        raise DoesNotRecomputeError(f"the comparison with the live release gives: {verdict['reason']}")
    return verdict


def _require_same(claimed: GateRecord, computed: GateRecord) -> None:
    same = (claimed.passed, claimed.rows, claimed.slice) == (computed.passed, computed.rows, computed.slice)
    bounds = zip(claimed.interval or (), computed.interval or (), strict=False)
    same = same and _close(claimed.value, computed.value) and all(_close(*pair) for pair in bounds)
    if not same or claimed.limit != computed.limit or claimed.text != computed.text:
        raise DoesNotRecomputeError(
            f"the gate `{computed.text}` gives {_shown(computed)} here, and the worker says {_shown(claimed)}"
        )


def _shown(record: GateRecord) -> str:
    value = "no value" if record.value is None else f"{record.value:.6g}"
    return f"{value} on {record.rows} rows, {'passed' if record.passed else 'failed'}"


def _close(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE) or (first != first and second != second)
