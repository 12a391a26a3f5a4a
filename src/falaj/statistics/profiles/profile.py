"""A profile: what is kept of the rows of a block, and all that is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from falaj.statistics.profiles.counts import FeatureCounts
from falaj.statistics.profiles.errors import ProfileError
from falaj.statistics.profiles.joint import JointSums


@dataclass(frozen=True)
class Profile:
    """Counts of the rows of a block over the fixed cells of a schema.

    Args:
        schema: Digest of the schema; only profiles of one schema merge.
        start: When the block begins, Unix seconds.
        end: When it ends.
        rows: Rows in it.
        features: Counts by feature, every feature of the schema.
        joint: Sums of products of rank scores.
        repeated: Rows whose id was in the block before.
        absent: Features of which the block had no column.
        unexpected: Columns that the schema does not know.
    """

    schema: str
    start: float
    end: float
    rows: int
    features: Mapping[str, FeatureCounts]
    joint: JointSums = field(default_factory=JointSums)
    repeated: int = 0
    absent: frozenset[str] = frozenset()
    unexpected: frozenset[str] = frozenset()

    def merge(self, other: Profile) -> Profile:
        """The profile of both blocks: associative and commutative, exact but for nothing.

        Raises:
            ProfileError: They are of different schemas.
        """
        if self.schema != other.schema:
            raise ProfileError(
                f"profiles of schemas {self.schema} and {other.schema} cannot be added",
                hint="compare a release's blocks with the reference of that release",
                code="profile.schema-differs",
            )
        return Profile(
            self.schema,
            min(self.start, other.start),
            max(self.end, other.end),
            self.rows + other.rows,
            {name: counts.merge(other.features[name]) for name, counts in self.features.items()},
            self.joint.merge(other.joint),
            self.repeated + other.repeated,
            self.absent | other.absent,
            self.unexpected | other.unexpected,
        )

    def to_bytes(self) -> bytes:
        """The profile as bytes; see `encoding`."""
        from falaj.statistics.profiles import encoding

        return encoding.to_bytes(self)

    @staticmethod
    def from_bytes(data: bytes) -> Profile:
        """Read bytes.

        Raises:
            ProfileFormatError: They are no profile of a known version.
        """
        from falaj.statistics.profiles import encoding

        return encoding.from_bytes(data)

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON document."""
        from falaj.statistics.profiles import encoding

        return encoding.to_json(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Profile:
        """Read a document.

        Raises:
            ProfileFormatError: It is no profile of a known version.
        """
        from falaj.statistics.profiles import encoding

        return encoding.from_json(document)

    def for_export(self, least: int = 10) -> Profile:
        """What may leave the location: fixed counts without small cells; see `export`."""
        from falaj.statistics.profiles import export

        return export.for_export(self, least)


def merged(profiles: Iterable[Profile]) -> Profile:
    """The profile of all blocks.

    Raises:
        ProfileError: There is none, or they are of different schemas.
    """
    profile_list = list(profiles)
    if not profile_list:
        raise ProfileError("there are no profiles to merge")
    return reduce(Profile.merge, profile_list)
