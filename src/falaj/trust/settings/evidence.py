"""The signed statement that an apply leaves behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from falaj.config.platform_spec import PlatformSpec
from falaj.supply_chain.attestations import SETTINGS, Envelope, Signer, sign_statement, statement
from falaj.trust.settings.differences import SettingDifference


@dataclass(frozen=True)
class SettingsPredicate:
    """What is said of an apply; the subject is the specification.

    Attributes:
        version: The version that it made.
        previous: Digest of the specification before it; None for the first.
        actor: Principal id of who applied it.
        at: Unix seconds.
        text_sha256: Hex digest of the file's text.
        differences: What it changed.
    """

    version: int
    previous: str | None
    actor: str
    at: float
    text_sha256: str
    differences: tuple[SettingDifference, ...]

    def sign(self, digest: str, signer: Signer) -> Envelope:
        """Sign it as a statement about the specification with this digest."""
        return sign_statement(statement(SETTINGS, [("platform", digest)], _plain(asdict(self))), signer)


def digest(spec: PlatformSpec) -> str:
    """Return `sha256:` of a specification's meaning: the same for files that differ in comments and layout only."""
    canonical = json.dumps(spec.to_json(), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def plain_differences(differences: Sequence[SettingDifference]) -> list[Any]:
    """Return differences as JSON values."""
    difference_rows: list[Any] = _plain([asdict(each) for each in differences])
    return difference_rows


def _plain(value: Any) -> Any:
    """JSON values alone: tuples become lists."""
    return json.loads(json.dumps(value))
