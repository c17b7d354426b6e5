"""CRC-32C (Castagnoli), the checksum of frames and of every header that is stored: in tables, eight bytes at a time.

    bytes ──crc32c()───▶ uint32
    words ──checksum()─▶ uint32, the same as of their bytes in little endian

Reflected, begun with all ones and ended by an exclusive or with them, as the instruction of processors has it (RFC
3720, appendix B.4). The tables are made when the first checksum is asked for.
"""

from __future__ import annotations

from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

POLYNOMIAL: Final = 0x82F6_3B78
ONES: Final = 0xFFFF_FFFF
WORD: Final = Struct("<Q")


def crc32c(data: bytes | bytearray | memoryview, begun: int = 0) -> int:
    """The checksum of bytes, or of what stands behind those whose checksum is `begun`."""
    view = memoryview(data).cast("B")
    whole = len(view) & ~7
    crc = _words((word for (word,) in WORD.iter_unpack(view[:whole])), begun ^ ONES)
    last = _tables()[0]
    for byte in view[whole:]:
        crc = crc >> 8 ^ last[(crc ^ byte) & 0xFF]
    return crc ^ ONES


def checksum(words: Iterable[int]) -> int:
    """The checksum of uint64 words."""
    return _words(words, ONES) ^ ONES


def _words(words: Iterable[int], crc: int) -> int:
    t0, t1, t2, t3, t4, t5, t6, t7 = _tables()
    for word in words:
        word ^= crc
        crc = (
            t7[word & 0xFF] ^ t6[word >> 8 & 0xFF] ^ t5[word >> 16 & 0xFF] ^ t4[word >> 24 & 0xFF]
            ^ t3[word >> 32 & 0xFF] ^ t2[word >> 40 & 0xFF] ^ t1[word >> 48 & 0xFF] ^ t0[word >> 56]
        )  # fmt: skip
    return crc


_made: Final[list[list[int]]] = []


def _tables() -> list[list[int]]:
    """Table n: what a byte comes to when n bytes of 0 follow it, which is the exclusive or of what its bits come to."""
    if _made:
        return _made
    bits = [1 << bit for bit in range(8)]
    for _ in range(8):
        bits = [value >> 1 ^ (POLYNOMIAL if value & 1 else 0) for value in bits]
    tables: list[list[int]] = []
    for _ in range(8):
        table = [0]
        for value in bits:
            table += [each ^ value for each in table]
        tables.append(table)
        bits = [value >> 8 ^ tables[0][value & 0xFF] for value in bits]
    _made[:] = tables
    return _made
