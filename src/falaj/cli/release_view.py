"""A release on the terminal."""

from __future__ import annotations

import base64
import json
from typing import Any

from falaj.cli.output import ago, emit, styled
from falaj.schemas import api
from falaj.supply_chain.attestations import claimed, short
from falaj.supply_chain.attestations.statement import parse_statement


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
    emit(f"  evidence {', '.join(short(each.predicate_type) for each in statements)}")
    for words in claimed(statements):
        emit(f"  claimed  {words}")
