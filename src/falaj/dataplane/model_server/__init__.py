"""The model server: one process that answers predictions of one release on a Unix socket.

Speaks the Open Inference Protocol V2 and MLflow's `/invocations`, validates against the model's signature, groups
waiting requests into one model call, and logs every answered request before replying. Nothing of the control plane
is imported here.
"""

__all__: list[str] = []
