"""Bounds that the files of a project or a platform are checked against, and the messages to agents again."""

MAX_REPLICAS = 64
"""How many model servers an endpoint may have: what validation accepts, a location serves."""

MAX_CELLS = 256
"""How many combinations the matrix of a step may have."""

MIN_KEPT_S, MAX_KEPT_S = 86_400, 10**10
"""How long a prediction log may be kept, in seconds: what goes within a day goes before a mistake is noticed."""
