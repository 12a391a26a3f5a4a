"""Certificates of workloads, gateways and callers, and the authority that issues them; no database.

`names` are names as SPIFFE writes them, `workload_certificates` makes and checks certificates (both pure), `authority`
is the embedded certificate authority of an installation. Agents need the first two to enrol and to check a server.
"""

__all__ = ["authority", "errors", "names", "workload_certificates"]
