"""MATLAB files before SciPy reads them: a few wrong bytes in one make SciPy allocate gigabytes, or crash.

SciPy makes room for as many elements as an array says that it has, and then looks for them; and it takes types and ends
as they come. Here they are looked at first. (MATLAB's "MAT-File Format", level 5.)
"""

from __future__ import annotations

import math
import zlib
from struct import Struct

_HEADER = 128
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_TYPES = frozenset((*range(1, 8), 9, 12, 13, 16, 17, 18))
"""Of numbers and text."""
_CELL, _STRUCT, _OBJECT, _CHAR, _PLAIN = 1, 2, 3, 4, range(6, 16)
_COMPLEX = 0x800
_AXES = 32
_DEPTH = 50
"""Arrays in arrays; MPII's go to nine."""


def check_mat(data: bytes, max_bytes: int) -> None:
    """Check that the arrays of a MATLAB file are what they say they are.

    Args:
        data: A file of level 5; one of level 4, which has no arrays in arrays, is not looked at, nor is one of 7.3.
        max_bytes: What it may unpack to.

    Raises:
        ValueError: They are not, and why.
    """
    if 0 in data[:4] or b"\2" in data[124:126]:
        return
    if len(data) < _HEADER or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it has no header")
    walk = _Walk("<" if data[126:128] == b"IM" else ">")
    at, unpacked = _HEADER, 0
    while at < len(data):
        kind, start, end, at = walk.tag(data, at, len(data))
        if kind == _COMPRESSED:
            content = zlib.decompressobj().decompress(data[start:end], max_bytes + 1)
            unpacked += len(content)
            if unpacked > max_bytes:
                raise ValueError(f"it unpacks to more than {max_bytes:,} bytes")
            at = end  # these alone are not padded
            kind, start, end, _ = walk.tag(content, 0, len(content))
            walk.matrix(kind, content, start, end, 0)
        else:
            walk.matrix(kind, data, start, end, 0)


class _Walk:
    """Goes through the elements of a file of one byte order."""

    def __init__(self, order: str) -> None:
        self._two, self._one, self._order = Struct(order + "II"), Struct(order + "I"), order

    def tag(self, data: bytes, at: int, stop: int) -> tuple[int, int, int, int]:
        """An element: its kind, where its content starts and ends, and where the next one starts."""
        if at + 8 > stop:
            raise ValueError("it is cut off")
        kind, size = self._two.unpack_from(data, at)
        if kind >> 16:  # a small one, within its tag
            size = kind >> 16
            if size > 4:
                raise ValueError("a small element is too large")
            return kind & 0xFFFF, at + 4, at + 4 + size, at + 8
        end = at + 8 + size
        if end > stop:
            raise ValueError("an element is larger than what it is in")
        return kind, at + 8, end, end + -size % 8

    def _expect(self, wanted: int, data: bytes, at: int, stop: int) -> tuple[int, int, int]:
        kind, start, end, at = self.tag(data, at, stop)
        if kind != wanted:
            raise ValueError(f"an element is of type {kind} where {wanted} is due")
        return start, end, at

    def matrix(self, kind: int, data: bytes, at: int, end: int, depth: int) -> None:
        """An array between ``at`` and ``end``, and those in it."""
        if kind != _MATRIX:
            raise ValueError("it has an element that is no array")
        if at == end:
            return  # an empty one
        if depth > _DEPTH:
            raise ValueError(f"it has arrays in arrays, more than {_DEPTH} deep")
        start, stop, at = self._expect(_UINT32, data, at, end)
        if stop - start != 8:
            raise ValueError("an array has no flags")
        flags = self._one.unpack_from(data, start)[0]
        of = flags & 0xFF
        start, stop, at = self._expect(_INT32, data, at, end)
        axes, rest = divmod(stop - start, 4)
        if rest or not 2 <= axes <= _AXES:
            raise ValueError("an array has no size")
        size = Struct(f"{self._order}{axes}i").unpack_from(data, start)
        count = math.prod(size)
        _, _, at = self._expect(_INT8, data, at, end)  # its name
        if min(size) < 0 or count > end - start:
            raise ValueError(f"an array says it has {count:,} elements, more than the file has room for")
        if of in _PLAIN or of == _CHAR:
            at = self._plain(2 if flags & _COMPLEX else 1, data, at, end)
        elif of in (_CELL, _STRUCT, _OBJECT):
            at = self._nested(of, count, data, at, end, depth)
        else:
            raise ValueError(f"it holds an array of class {of}, which is not read")
        if not 0 <= at - end < 8:  # the last element may be padded
            raise ValueError("an array is not as long as what is in it")

    def _nested(self, of: int, count: int, data: bytes, at: int, end: int, depth: int) -> int:
        """The elements of an array of cells or structs: as many as it says."""
        if of == _OBJECT:
            _, _, at = self._expect(_INT8, data, at, end)  # its class
        if of != _CELL:
            start, stop, at = self._expect(_INT32, data, at, end)
            length = self._one.unpack_from(data, start)[0] if stop - start == 4 else 0
            start, stop, at = self._expect(_INT8, data, at, end)
            if not length or (stop - start) % length:
                raise ValueError("the fields of a struct have no names")
            count *= (stop - start) // length
        for _ in range(count):
            kind, start, stop, at = self.tag(data, at, end)
            self.matrix(kind, data, start, stop, depth + 1)
        return at

    def _plain(self, parts: int, data: bytes, at: int, end: int) -> int:
        """Numbers or text of types that there are. SciPy compares their number with the array's size itself."""
        for _ in range(parts):  # real and imaginary
            kind, _, _, at = self.tag(data, at, end)
            if kind not in _TYPES:
                raise ValueError(f"an array is of the unknown type {kind}")
        return at
