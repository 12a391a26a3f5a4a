"""The SDK: a typed client of the REST API.

It speaks HTTP with the standard library alone, because a command that lists runs must answer in a fraction of a second
and the usual client library takes longer to import than the server takes to answer.

    from falaj.client import Client

    client = Client.from_home()
    for run in client.runs():
        print(run.id, run.state)
"""

from falaj.client.client import Client
from falaj.client.http import ProblemError, ServerUnreachableError
from falaj.client.labels import Label, read_labels
from falaj.client.prediction import Endpoint, Prediction

__all__ = ["Client", "Endpoint", "Label", "Prediction", "ProblemError", "ServerUnreachableError", "read_labels"]
