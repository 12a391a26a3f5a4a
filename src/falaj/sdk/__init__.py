"""The SDK: a typed client of the REST API.

It speaks HTTP with the standard library alone, because a command that lists runs must answer in a fraction of a second
and the usual client library takes longer to import than the server takes to answer.

    from falaj.sdk import Client

    client = Client.from_home()
    for run in client.runs():
        print(run.id, run.state)
"""

from falaj.sdk.client import Client
from falaj.sdk.endpoint import Endpoint, Prediction
from falaj.sdk.http import ProblemError, ServerUnreachableError
from falaj.sdk.labels import Label, read_labels
from falaj.sdk.notebook import Listing, RunComparison

__all__ = [
    "Client", "Endpoint", "Label", "Listing", "Prediction", "ProblemError", "RunComparison", "ServerUnreachableError",
    "read_labels",
]  # fmt: skip
