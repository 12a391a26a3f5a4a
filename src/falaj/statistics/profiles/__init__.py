"""Profiles: what is kept of the rows of a block instead of the rows, over cells that the reference fixed once.

A run builds a `ReferenceProfile` and it travels with the release; an agent counts each hour or day of its prediction
log with the reference's schema (numpy alone); counts of blocks add up. Nothing here reads a clock, a file or chance.
"""

from falaj.statistics.profiles.category_cells import CategoryCells
from falaj.statistics.profiles.columns import Categorical, Column, Columns, ProfileKind, coded_column
from falaj.statistics.profiles.counts import FeatureCounts, Moments
from falaj.statistics.profiles.distinct import Distinct
from falaj.statistics.profiles.errors import ProfileError, ProfileFormatError
from falaj.statistics.profiles.joint import JointSums
from falaj.statistics.profiles.number_cells import NumberCells, digits
from falaj.statistics.profiles.profile import Profile, merged
from falaj.statistics.profiles.quantiles import quantile
from falaj.statistics.profiles.reference import ReferenceProfile, block_profiles, reference_blocks
from falaj.statistics.profiles.schema import ProfileSchema

__all__ = [
    "Categorical",
    "CategoryCells",
    "Column",
    "Columns",
    "Distinct",
    "FeatureCounts",
    "JointSums",
    "Moments",
    "NumberCells",
    "Profile",
    "ProfileError",
    "ProfileFormatError",
    "ProfileKind",
    "ProfileSchema",
    "ReferenceProfile",
    "block_profiles",
    "coded_column",
    "digits",
    "merged",
    "quantile",
    "reference_blocks",
]
