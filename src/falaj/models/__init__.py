"""Model files: what one may name, and the one way to load one.

A model file is somebody else's program. The names that it reaches are read without loading it and held against one
exact list; the scan of a run, the gates, packaging and the model server use the same list and the same loader. Standard
library only, so that it works in a project's environment; libraries of models are imported when one is loaded.
"""

from falaj.models.families import Estimator, adapter, columns_of_table
from falaj.models.loading import NATIVE, ModelFileError, libraries_of, load_estimator, own_modules, top_level_modules
from falaj.models.names import ALLOWED, BOOSTERS, Import, forbidden
from falaj.models.pickle_names import NotAPickleError
from falaj.models.pickle_names import imports as pickle_imports
from falaj.models.skops_names import NotASkopsFileError
from falaj.models.skops_names import imports as skops_imports
from falaj.models.training_table import TrainingTable, describe, from_metadata

__all__ = [
    "ALLOWED",
    "BOOSTERS",
    "NATIVE",
    "Estimator",
    "Import",
    "ModelFileError",
    "NotAPickleError",
    "NotASkopsFileError",
    "TrainingTable",
    "adapter",
    "columns_of_table",
    "describe",
    "forbidden",
    "from_metadata",
    "libraries_of",
    "load_estimator",
    "own_modules",
    "pickle_imports",
    "skops_imports",
    "top_level_modules",
]
