"""Scoring files: a table in, predictions with ids out, by the same adapter that serves, in the sandbox.

`run` starts the processes and publishes the result; `assembler` plans and puts answers together, `scorer` asks the
model. Processes speak by files in one folder, so that a scoring that was killed goes on where it was.
"""

from falaj.dataplane.scoring.errors import (
    InputChangedError,
    OutputExistsError,
    ScoringDiskError,
    ScoringFailedError,
    ScoringInputError,
)
from falaj.dataplane.scoring.records import AppliedRecalibration, SampledRow, ScoringJob
from falaj.dataplane.scoring.run import InputTable, Scored, read_input, require_free, sampled_rows, score_file

__all__ = [
    "AppliedRecalibration",
    "InputChangedError",
    "InputTable",
    "OutputExistsError",
    "SampledRow",
    "Scored",
    "ScoringDiskError",
    "ScoringFailedError",
    "ScoringInputError",
    "ScoringJob",
    "read_input",
    "require_free",
    "sampled_rows",
    "score_file",
]
