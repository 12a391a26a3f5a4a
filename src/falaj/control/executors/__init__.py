"""Steps on other machines: the queue of their orders, and who conducts a run waiting for what came of them.

A machine of an executor asks the server for an order, and holds it by a lease. It gets the bytes that the order names,
sends outputs, and says last what came of it: the first receipt of a lease that holds counts, every other is refused. It
never sees the database, nor a key that opens more than what it was given.
"""

from falaj.control.executors.errors import OrderRefusedError
from falaj.control.executors.order_queue import (
    LEASE_S,
    Capacity,
    OrderLease,
    claim,
    forget,
    keep_output,
    note_upload,
    order_of_row,
    place,
    renew,
    require_lease,
    settle,
    void,
    waiting_orders,
)
from falaj.control.executors.placement import ExecutorPlacement

__all__ = [
    "LEASE_S",
    "Capacity",
    "ExecutorPlacement",
    "OrderLease",
    "OrderRefusedError",
    "claim",
    "forget",
    "keep_output",
    "note_upload",
    "order_of_row",
    "place",
    "renew",
    "require_lease",
    "settle",
    "void",
    "waiting_orders",
]
