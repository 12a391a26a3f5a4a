"""The REST API of the control plane: routers, authentication, event stream, and the controllers that run beside it.

Every route declares the action it performs; an application with a route that declares none does not start.
"""

from falaj.api.app import create_app, serve

__all__ = ["create_app", "serve"]
