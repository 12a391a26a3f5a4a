"""The documents of the REST API that are not in `falaj.api`, one module a topic; `falaj.api.decode` reads them."""
