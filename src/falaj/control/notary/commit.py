"""The project file of a commit, shown by the hashes that lead from the commit's id to its bytes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Set
from typing import Any

import msgspec
import yaml

from falaj.config.gates import parse_gate, parse_select, with_columns
from falaj.config.spec import DEFAULT_RISK, GateSpec, OwnMetric
from falaj.control.notary.errors import DoesNotRecomputeError
from falaj.core.errors import FalajError
from falaj.statistics.metrics import higher_is_better
from falaj.supply_chain.attestations.predicates import SelectionRecord

FILE = "falaj.yaml"
_FILES = (b"100644", b"100755")
_MAX_BYTES = 4 << 20


class CommitProof(msgspec.Struct, frozen=True):
    """Git's objects between a commit and its project file, as git keeps them.

    Args:
        commit: The commit.
        tree: Its folder.
        file: The project file.
    """

    commit: bytes
    tree: bytes
    file: bytes


def project_file(proof: CommitProof, commit_id: str) -> bytes:
    """The bytes of falaj.yaml in a commit.

    Args:
        proof: The objects.
        commit_id: Hex id: SHA-1, or SHA-256 where the repository has that format.

    Raises:
        DoesNotRecomputeError: The objects are not those of the commit.
    """
    _require(commit_id, "commit", proof.commit)
    head, _, tree_id = proof.commit.partition(b"\n")[0].partition(b" ")
    if head != b"tree":
        raise DoesNotRecomputeError("the commit names no folder", where=commit_id)
    _require(tree_id.decode(errors="replace"), "tree", proof.tree)
    _require(_entry(proof.tree, len(commit_id) // 2), "blob", proof.file)
    return proof.file


def require_gates(
    proof: CommitProof | None, commit_id: str, gates: tuple[GateSpec, ...], pinned: Set[str], *, all_of_them: bool
) -> None:
    """Refuse gates that are not those of the commit's project file.

    Args:
        proof: Shows the file.
        commit_id: Of the run.
        gates: That were judged; those that failures left behind are not in the file.
        pinned: Tables that are said to be exams.
        all_of_them: Whether every gate of the file must be there.

    Raises:
        DoesNotRecomputeError: One is missing, looser, or another one.
    """
    if proof is None:
        raise DoesNotRecomputeError("nothing shows the project file of the commit", where=commit_id)
    written, exams = _gates_and_exams(_read(proof, commit_id), commit_id)
    if not pinned <= exams:
        raise DoesNotRecomputeError(
            f"{', '.join(sorted(pinned - exams))} is not an exam in the project file", where=commit_id
        )
    own_gates = [gate for gate in gates if not gate.data.startswith("regression.")]
    for gate in own_gates:
        if gate not in written:
            raise DoesNotRecomputeError(f"the gate `{gate.text}` is not in the project file", where=commit_id)
    for gate in written if all_of_them else ():
        if gate not in own_gates:
            raise DoesNotRecomputeError(f"the gate `{gate.text}` of the project file was not judged", where=commit_id)


def require_risk(proof: CommitProof | None, commit_id: str, risk: str) -> None:
    """Refuse a risk tier that is not that of the commit's project file.

    Raises:
        DoesNotRecomputeError: It is another one.
    """
    if proof is None:
        raise DoesNotRecomputeError("nothing shows the project file of the commit", where=commit_id)
    document = _read(proof, commit_id)
    written = document.get("risk", DEFAULT_RISK) if isinstance(document, dict) else ""
    if written != risk:
        raise DoesNotRecomputeError(
            f"the project file says that the risk is {written!s:.20}, not {risk}", where=commit_id
        )


def require_selection(proof: CommitProof | None, commit_id: str, selection: SelectionRecord | None) -> None:
    """Refuse a selection by something else than the commit's project file says.

    Raises:
        DoesNotRecomputeError: It is by another metric, on other rows, or in the other direction.
    """
    if selection is None:
        return
    if proof is None:
        raise DoesNotRecomputeError("nothing shows the project file of the commit", where=commit_id)
    document = _read(proof, commit_id)
    try:
        text = str(document["pipeline"][selection.step]["select"])
        greater = _is_higher_better(text, document.get("metrics") or {})
    except (AttributeError, TypeError, KeyError, FalajError) as error:
        raise DoesNotRecomputeError(f"`{selection.step}` selects nothing in the project file") from error
    if text != selection.text or greater is not (selection.better == "greater"):
        raise DoesNotRecomputeError(f"the project file selects by `{text}`", where=commit_id)


def _is_higher_better(select: str, metrics: Any) -> bool | None:
    metric = parse_select(select).metric
    return metrics[metric]["better"] == "greater" if metric in metrics else higher_is_better(metric)


def _read(proof: CommitProof, commit_id: str) -> Any:
    try:
        return yaml.safe_load(project_file(proof, commit_id))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _unreadable(error, commit_id) from error


def _unreadable(error: Exception, commit_id: str) -> DoesNotRecomputeError:
    return DoesNotRecomputeError(f"the project file cannot be read: {type(error).__name__}", where=commit_id)


def _gates_and_exams(document: Any, commit_id: str) -> tuple[list[GateSpec], set[str]]:
    """The gates and the exams of a project file."""
    try:
        own = {name: _own_metric(metric) for name, metric in (document.get("metrics") or {}).items()}
        columns = document.get("monitoring") or {}
        gates = [with_columns(parse_gate(str(text), own), columns) for text in document.get("gates") or ()]
        return gates, {name for name, source in (document.get("data") or {}).items() if source.get("exam") is True}
    except (AttributeError, TypeError, KeyError, IndexError, FalajError) as error:
        raise _unreadable(error, commit_id) from error


def _own_metric(metric: Any) -> OwnMetric:
    """A metric as the project file declares it."""
    bounds = metric.get("bounds")
    limits = (float(bounds[0]), float(bounds[1])) if bounds else None
    return OwnMetric(str(metric["function"]), metric["better"] == "greater", limits)


def _require(object_id: str, kind: str, content: bytes) -> None:
    if len(content) > _MAX_BYTES:
        raise DoesNotRecomputeError(f"the {kind} is too large", where=object_id)
    digest = hashlib.sha256 if len(object_id) == 64 else hashlib.sha1
    actual = digest(f"{kind} {len(content)}\0".encode() + content).hexdigest()
    if not hmac.compare_digest(actual, object_id):
        raise DoesNotRecomputeError(f"the {kind} is not the one that is named", where=object_id)


def _entry(tree: bytes, size: int) -> str:
    """The id of the project file in a folder."""
    rest = tree
    while rest:
        head, _, after = rest.partition(b"\0")
        mode, _, name = head.partition(b" ")
        if name == FILE.encode() and mode in _FILES:
            return after[:size].hex()
        rest = after[size:]
    raise DoesNotRecomputeError(f"there is no {FILE} in the commit")
