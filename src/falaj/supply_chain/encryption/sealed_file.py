"""Reading an encrypted object at any place, as a file: only the frames that are asked for are decrypted."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from falaj.supply_chain.encryption.errors import DamagedCiphertextError
from falaj.supply_chain.encryption.stream import FRAME, HEADER_BYTES, SEALED_FRAME, DataKey, opening, plain_size

_FRAMES_HELD = 4


class SealedFile(io.RawIOBase):
    """The plaintext of an object that `stream.seal` gave.

    A cut at the end is found when the end is read, since the last frame is marked as such: who reads a format whose
    index is at its end finds it at once.

    Args:
        file: Descriptor of the object; whoever opened it closes it.
        find: Gives the key of an id.
        name: What the object is called.

    Raises:
        DamagedCiphertextError: It is not one; when reading, that it is not what was written under that name.
        KeyGoneError: From `find`.
    """

    def __init__(self, file: int, find: Callable[[str], DataKey], name: str) -> None:
        super().__init__()
        self._open = opening(os.pread(file, HEADER_BYTES, 0), find, name)
        self._size = plain_size(os.fstat(file).st_size)
        if self._size < 0:
            raise DamagedCiphertextError("no encrypted object has this size", where=name)
        self._file, self._place = file, 0
        self._frames: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As for every file."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        """As for every file; the whole buffer is filled unless the object ends."""
        view, bytes_read = memoryview(buffer).cast("B"), 0
        while bytes_read < len(view) and self._place < self._size:
            number, start = divmod(self._place, FRAME)
            piece = memoryview(self._frame(number))[start : start + len(view) - bytes_read]
            view[bytes_read : bytes_read + len(piece)] = piece
            bytes_read += len(piece)
            self._place += len(piece)
        return bytes_read

    def _frame(self, number: int) -> bytes:
        if number not in self._frames:
            sealed = os.pread(self._file, SEALED_FRAME, HEADER_BYTES + number * SEALED_FRAME)
            last = (number + 1) * FRAME >= self._size
            self._frames[number] = self._open(number, sealed, last)
            if len(self._frames) > _FRAMES_HELD:
                self._frames.popitem(last=False)
        self._frames.move_to_end(number)
        return self._frames[number]
