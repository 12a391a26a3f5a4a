"""A release on the terminal."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

from falaj.cli.bundles import selection_in
from falaj.cli.output import ago, emit, styled
from falaj.schemas import api
from falaj.supply_chain.attestations import TRAIN, claimed, short
from falaj.supply_chain.attestations.statement import Statement, parse_statement


def print_release(release: api.Release, envelopes: list[dict[str, Any]]) -> None:
    """Print where a release comes from, its gates and checks with values, and its evidence."""
    emit(styled(f"{release.model}@{release.number}", "bold") + f"  {release.state}, made {ago(release.created_at)}")
    emit(f"  model    {release.digest}")
    emit(f"  run      {release.run_id}   commit {release.commit}")
    emit(f"  serving  {release.data.get('packaging', '')}")
    if not release.data.get("reproducible", True):
        emit("  not reproducible: there is no lockfile, or the checkout had changes")
    for name, digest in sorted(release.data.get("snapshots", {}).items()):
        emit(f"  data     {name} {digest}")
    for gate in release.data.get("gates", []):
        emit(f"  gate     {gate['text']}: {gate['reason']}")
    for check in release.data.get("checks", []):
        emit(f"  check    {check['name']}: {check['summary']}")
    statements = [parse_statement(json.loads(base64.b64decode(envelope["payload"]))) for envelope in envelopes]
    for line in selection_lines(statements):
        emit(f"  select   {line}")
    emit(f"  evidence {', '.join(short(each.predicate_type) for each in statements)}")
    for words in claimed(statements):
        emit(f"  claimed  {words}")


def selection_lines(statements: Sequence[Statement]) -> Iterator[str]:
    """How the model was selected: by what, then every candidate with its score."""
    for selection in (selection_in(each.predicate) for each in statements if each.predicate_type == TRAIN):
        if selection:
            yield f"{selection['best']} by {selection['text']}, of {len(selection['candidates'])} candidates"
        for each in selection.get("candidates", ()):
            score = "-" if each["score"] is None else f"{each['score']:.6g}"
            yield f"  {each['name']}  {score}  {each['reason']}".rstrip()
