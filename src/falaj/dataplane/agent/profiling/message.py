"""What the control plane is told of blocks and losses: fixed counts, and small ones not where they must stay (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from falaj.dataplane.agent.profiling.blocks import ArmKey
from falaj.dataplane.agent.profiling.profile_store import Unsent
from falaj.dataplane.agent.profiling.tallies import LossRun, disclosable
from falaj.statistics.profiles import FeatureCounts, Profile


def message_of(
    blocks: Sequence[tuple[Unsent, int]], runs: Sequence[tuple[ArmKey, LossRun]], now: float
) -> dict[str, Any]:
    """The body of a report.

    Args:
        blocks: Each with the smallest count that may leave; 0 where all may.
        runs: Losses of equal numbers of labelled rows.
        now: Unix seconds.
    """
    return {
        "sent_at": now,
        "blocks": [_block(each, least) for each, least in blocks],
        "losses": [{**_key(key), **run.to_json(), "mean": run.total / run.rows} for key, run in runs],
    }


def _key(key: ArmKey) -> dict[str, str]:
    return {"endpoint": key.endpoint, "release": key.release, "arm": key.arm}


def _block(unsent: Unsent, least: int) -> dict[str, Any]:
    block, tally = unsent.block, disclosable(unsent.tally, least)
    profiles = {
        name: fixed_counts(profile, least).to_json() if profile else None
        for name, profile in (("features", block.features), ("predictions", block.predictions))
    }
    rows = block.rows // least * least if least else block.rows
    return {
        **_key(unsent.key), "number": block.number, "start": block.start, "end": block.end, "rows": rows,
        "final": block.final, "revision": unsent.revision, "least": least,
        "losses": tally.to_json() if tally else None, **profiles,
    }  # fmt: skip


def fixed_counts(profile: Profile, least: int) -> Profile:
    """A profile without what holds values of rows: no sketch, no unseen category, no unknown column.

    Args:
        profile: Of a block.
        least: The smallest count that may leave; 0 where all may.
    """
    if least:
        return profile.for_export(least)
    counts = {name: FeatureCounts(each.counts, each.moments, each.tails) for name, each in profile.features.items()}
    return replace(profile, features=counts, unexpected=frozenset())
