"""How many different values there are, in 256 bytes: a salted HyperLogLog.

The salt is the schema's own. Without it a dictionary of likely values would tell from the registers alone which of
them cannot have been there.

Source: P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", AofA 2007; small counts by linear counting as there. The standard error is 6.5%.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

BITS = 8
REGISTERS = 1 << BITS


@dataclass(frozen=True)
class Distinct:
    """Registers of the sketch.

    Args:
        registers: One byte each: the longest run of zeros that a hash of its part began with, plus one.
    """

    registers: bytes = bytes(REGISTERS)

    @classmethod
    def of(cls, values: Iterable[str], salt: bytes) -> Distinct:
        """The sketch of these values.

        Args:
            values: Each different value once, or more often without effect.
            salt: At most 16 bytes; sketches merge only when it is the same.
        """
        registers = bytearray(REGISTERS)
        for value in values:
            number = int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8, salt=salt).digest())
            rest = number >> BITS
            rank = 64 - BITS - rest.bit_length() + 1
            place = number & (REGISTERS - 1)
            if rank > registers[place]:
                registers[place] = rank
        return cls(bytes(registers))

    def merge(self, other: Distinct) -> Distinct:
        """The sketch of the values of both."""
        return Distinct(bytes(map(max, self.registers, other.registers)))

    @property
    def estimate(self) -> float:
        """The estimated number of different values."""
        scale = 0.7213 / (1 + 1.079 / REGISTERS)
        raw = scale * REGISTERS**2 / sum(2.0**-rank for rank in self.registers)
        empty = self.registers.count(0)
        if raw <= 2.5 * REGISTERS and empty:
            return REGISTERS * math.log(REGISTERS / empty)
        return raw
