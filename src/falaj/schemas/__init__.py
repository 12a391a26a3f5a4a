"""What travels: the documents of the REST API, one module a topic; `falaj.schemas.api.decode` reads them."""
