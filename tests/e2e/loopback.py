"""A network in which every address is this machine, so that whatever is sent anywhere can be seen."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_IPV4, _IPV6 = 0x0800, 0x86DD
_ALL_PROTOCOLS = 0x0003
_SO_ATTACH_FILTER = 26
_HEADER_BYTES = 40  # of IPv6; both addresses of IPv4 lie in its first half
# Classic BPF (linux/filter.h) as (code, jump if true, jump if false, value): packets between addresses of
# 127.0.0.0/8 are left out, so that the platform's own traffic never fills the buffer.
_NOT_BETWEEN_LOOPBACKS = (
    (0x28, 0, 0, 0xFFFFF000),  # load the protocol of the packet
    (0x15, 0, 4, _IPV4),  # another one than IPv4: keep
    (0x30, 0, 0, 12),  # load the first byte of the source address
    (0x15, 0, 2, 127),  # not loopback: keep
    (0x30, 0, 0, 16),  # load the first byte of the destination address
    (0x15, 1, 0, 127),  # loopback too: leave out
    (0x06, 0, 0, _HEADER_BYTES),
    (0x06, 0, 0, 0),
)
_EVERYTHING_IS_HERE = (
    ("link", "set", "lo", "up"),
    ("route", "add", "local", "default", "dev", "lo"),
    ("-6", "route", "add", "local", "::/0", "dev", "lo"),
)


def why_not() -> str:
    """Why such a network cannot be had here; empty when it can."""
    if shutil.which("ip") is None:
        return "there is no `ip` command (iproute2)"
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return probe.stderr.strip()


@contextmanager
def everything_is_here() -> Iterator[None]:
    """Move this thread, and the processes it starts, into a network with a loopback device and nothing else.

    Every address is routed to the loopback device: a connection to elsewhere is refused at once, but its packets pass
    by and can be counted, which an unreachable network would not show.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        _must(libc.unshare(_CLONE_NEWNET))
        try:
            for arguments in _EVERYTHING_IS_HERE:
                subprocess.run(["ip", *arguments], check=True)
            yield
        finally:
            _must(libc.setns(before.fileno(), _CLONE_NEWNET))


class Watch:
    """Keeps the addresses of every packet of the loopback device that is not of 127.0.0.0/8, from its creation on."""

    def __init__(self) -> None:
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in _NOT_BETWEEN_LOOPBACKS)
        program_buffer = ctypes.create_string_buffer(program)
        pointer = struct.pack("HL", len(_NOT_BETWEEN_LOOPBACKS), ctypes.addressof(program_buffer))
        self._packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
        self._packets.bind(("lo", _ALL_PROTOCOLS))
        self._packets.setblocking(False)

    def addresses_elsewhere(self) -> set[str]:
        """Addresses other than loopback's of the packets since the last call."""
        remote_addresses = set()
        while True:
            try:
                header, address = self._packets.recvfrom(_HEADER_BYTES)
            except BlockingIOError:
                return remote_addresses
            remote_addresses |= {str(each) for each in _addresses(address[1], header) if not each.is_loopback}

    def close(self) -> None:
        self._packets.close()


def listeners() -> set[str]:
    """Addresses on which anything in this network listens."""
    listener_addresses = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A":
                listener_addresses.add(str(_from_proc(address.partition(":")[0])))
    return listener_addresses


def _addresses(protocol: int, header: bytes) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    if protocol == _IPV4:
        return [ipaddress.IPv4Address(header[12:16]), ipaddress.IPv4Address(header[16:20])]
    if protocol == _IPV6:
        return [ipaddress.IPv6Address(header[8:24]), ipaddress.IPv6Address(header[24:40])]
    return []


def _from_proc(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel prints it: words of 32 bits in the machine's byte order."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    packed = b"".join(words)
    return ipaddress.IPv4Address(packed) if len(packed) == 4 else ipaddress.IPv6Address(packed)


def _must(returned: int) -> None:
    if returned != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
