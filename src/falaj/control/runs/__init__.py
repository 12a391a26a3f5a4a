"""One run from a commit to a candidate release: worktree, environment, pipeline, checks, gates, packaging, evidence.

`conduct` is the whole of it and knows neither server nor database; the worker gives it what waits in the process table,
and `run_checkout` gives it the checkout that a person stands in.
"""

__all__ = ["lifecycle", "queue"]
