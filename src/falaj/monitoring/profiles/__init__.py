"""Profiles: what is kept of the rows of a block instead of the rows, over cells that the reference fixed once.

A run builds a `ReferenceProfile` and it travels with the release; an agent counts each hour or day of its prediction
log with the reference's schema (numpy alone); counts of blocks add up. Nothing here reads a clock, a file or chance.
"""

from falaj.monitoring.profiles.category_cells import CategoryCells
from falaj.monitoring.profiles.columns import Coded, Column, Columns, Kind, coded_column
from falaj.monitoring.profiles.counts import FeatureCounts, Moments
from falaj.monitoring.profiles.distinct import Distinct
from falaj.monitoring.profiles.errors import ProfileError, ProfileFormatError
from falaj.monitoring.profiles.joint import JointSums
from falaj.monitoring.profiles.number_cells import NumberCells, digits
from falaj.monitoring.profiles.profile import Profile, merged
from falaj.monitoring.profiles.quantiles import quantile
from falaj.monitoring.profiles.reference import ReferenceProfile, block_profiles, reference_blocks
from falaj.monitoring.profiles.schema import ProfileSchema

__all__ = [
    "CategoryCells",
    "Coded",
    "Column",
    "Columns",
    "Distinct",
    "FeatureCounts",
    "JointSums",
    "Kind",
    "Moments",
    "NumberCells",
    "Profile",
    "ProfileError",
    "ProfileFormatError",
    "ProfileSchema",
    "ReferenceProfile",
    "block_profiles",
    "coded_column",
    "digits",
    "merged",
    "quantile",
    "reference_blocks",
]
