"""How requests travel: each over a connection of its own, which is handed over on a socket that both sides inherited.

A notary that is killed loses the connections that it had, so that whoever asked knows and asks again; what was not
taken yet waits in the socket for the next notary, since the supervisor keeps both ends open.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

VARIABLE = "FALAJ_NOTARY"
"""Names the descriptor of the inherited socket."""
MAX_MESSAGE_BYTES = 64 << 20
MAX_AT_ONCE = 16
_MAX_DESCRIPTORS = 2
_LENGTH = struct.Struct(">Q")
_IDLE_S = 60.0
Handler = Callable[[bytes, int | None], bytes]
"""Answers a request: its bytes, and the descriptor of a file that came with it."""


def ask(channel: socket.socket, message: bytes, attached: int | None, patience_s: float) -> bytes | None:
    """Send one request and wait for its answer; None when the notary ended before it gave one.

    Args:
        channel: The inherited socket.
        message: The request.
        attached: Descriptor of a file that belongs to it.
        patience_s: How long to wait for each part of the answer.

    Raises:
        TimeoutError: There was no answer.
    """
    mine, theirs = socket.socketpair()
    with mine:
        with theirs:
            handed = [theirs.fileno()] if attached is None else [theirs.fileno(), attached]
            socket.send_fds(channel, [b"?"], handed)
        mine.settimeout(patience_s)
        try:
            mine.sendall(_LENGTH.pack(len(message)) + message)
            return _read(mine)
        except (BrokenPipeError, ConnectionResetError):
            return None


def serve(channel: socket.socket, handle: Handler) -> None:
    """Answer requests until the socket is closed at all other ends."""
    slots = threading.BoundedSemaphore(MAX_AT_ONCE)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 1, _MAX_DESCRIPTORS)
        if not message:
            return
        if not descriptors:
            continue
        slots.acquire()
        connection = socket.socket(fileno=descriptors[0])
        attached = descriptors[1] if len(descriptors) > 1 else None
        threading.Thread(target=_answer, args=(connection, attached, handle, slots), daemon=True).start()


def _answer(
    connection: socket.socket, attached: int | None, handle: Handler, slots: threading.BoundedSemaphore
) -> None:
    try:
        with connection, suppress(OSError):
            connection.settimeout(_IDLE_S)
            request = _read(connection)
            if request is not None:
                answer = handle(request, attached)
                connection.sendall(_LENGTH.pack(len(answer)) + answer)
    finally:
        if attached is not None:
            os.close(attached)
        slots.release()


def _read(connection: socket.socket) -> bytes | None:
    """One message; None when the other side ended before its end, or it is too long."""
    head = _exactly(connection, _LENGTH.size)
    if head is None or (length := _LENGTH.unpack(head)[0]) > MAX_MESSAGE_BYTES:
        return None
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts: Sequence[bytes]
    parts, have = [], 0
    while have < count:
        part = connection.recv(min(count - have, 1 << 20))
        if not part:
            return None
        parts.append(part)
        have += len(part)
    return b"".join(parts)
