"""Keys: what the user calls an instance, as 64 bytes."""

from __future__ import annotations

from operator import index as integer
from struct import Struct

from fsm.layout import HASH_FACTOR, HASH_SEED, INT64_MAX, INT64_MIN, KEY_BYTES, KEY_INTEGER, UINT64_MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

INTEGER_KEY: Final = Struct("<Qq48x")
WORDS: Final = Struct("<8Q")


def encode_key(key: str | int) -> bytes:
    """The 64 bytes of a key. Raises `TypeError` or `ValueError` for what is no key."""
    if isinstance(key, str):
        try:
            text = key.encode()
        except UnicodeEncodeError:
            raise ValueError(f"key: expected text that UTF-8 can hold, found {key!r}") from None
        if not 1 <= len(text) <= KEY_BYTES or b"\0" in text:
            raise ValueError(f"key: expected 1 to {KEY_BYTES} bytes of UTF-8 without NUL, found {key!r}")
        return text.ljust(KEY_BYTES, b"\0")
    if hasattr(key, "__index__") and not isinstance(key, bool):
        number = integer(key)
        if not INT64_MIN <= number <= INT64_MAX:
            raise ValueError(f"key: expected an integer of 64 bits with sign, found {number}")
        return INTEGER_KEY.pack(KEY_INTEGER, number)
    raise TypeError(f"key: expected str or int, found {type(key).__name__}: {key!r}")


def decode_key(data: bytes) -> str | int:
    """What `encode_key` was given."""
    if data[0] == 0:
        return int(INTEGER_KEY.unpack(data)[1])
    return data.rstrip(b"\0").decode()


def hash_key(key: bytes) -> int:
    """64 bits of the eight words of a key, the same in every process."""
    hashed = HASH_SEED
    for word in WORDS.unpack(key):
        hashed = (hashed ^ word) * HASH_FACTOR & UINT64_MASK
        hashed ^= hashed >> 32
    return hashed
