"""How an endpoint moves from its stable release to a candidate: plans, the state machine, the sequential analysis.

Pure: counts and times come in, decisions go out. The agent beside the traffic carries them out.
"""

__all__: list[str] = []
