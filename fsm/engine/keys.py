"""Keys as words: what the user calls an instance, and how an input is known again.

key of an instance, correlation ──encode_key()────────▶ 64 bytes ──hash_key()─▶ its place in the index
idempotency key                 ──idempotency_words()─▶ two words, low and high
"""

from __future__ import annotations

from _operator import index as integer
from struct import Struct

from fsm.layout import HASH_FACTOR, HASH_SEED, INT64_MAX, INT64_MIN, KEY_BYTES, KEY_INTEGER, UINT64_MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

INTEGER_KEY: Final = Struct("<Qq48x")
WORDS: Final = Struct("<8Q")
IDEMPOTENCY_MAX: Final = (1 << 128) - 1


def encode_key(key: str | int, name: str = "key") -> bytes:
    """The 64 bytes of a key, or of what `name` says and is written like one. Raises `TypeError` or `ValueError`."""
    if isinstance(key, str):
        try:
            text = key.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name}: expected text that UTF-8 can hold, found {key!r}") from None
        if not 1 <= len(text) <= KEY_BYTES or b"\0" in text:
            raise ValueError(f"{name}: expected 1 to {KEY_BYTES} bytes of UTF-8 without NUL, found {key!r}")
        return text.ljust(KEY_BYTES, b"\0")
    if hasattr(key, "__index__") and not isinstance(key, bool):
        number = integer(key)
        if not INT64_MIN <= number <= INT64_MAX:
            raise ValueError(f"{name}: expected an integer of 64 bits with sign, found {number}")
        return INTEGER_KEY.pack(KEY_INTEGER, number)
    raise TypeError(f"{name}: expected str or int, found {type(key).__name__}: {key!r}")


def decode_key(data: bytes) -> str | int:
    """What `encode_key` was given."""
    if data[0] == 0:
        return int(INTEGER_KEY.unpack(data)[1])
    return data.rstrip(b"\0").decode()


def idempotency_words(key: object) -> tuple[int, int]:
    """The two words of an idempotency key, low and high.

    key    an integer of 1 to 2**128 - 1, or what has one as `.int` (`uuid.UUID`); or text or bytes, which are hashed to
           128 bits by BLAKE2b

    Raises `TypeError` or `ValueError` for what is none of them.
    """
    if isinstance(key, str | bytes):
        number = _hashed(key)
    else:
        given: Any = getattr(key, "int", key)
        if isinstance(given, bool) or not hasattr(given, "__index__"):
            raise TypeError(f"key: expected int, UUID, str or bytes, found {type(key).__name__}: {key!r}")
        number = integer(given)
    if not 1 <= number <= IDEMPOTENCY_MAX:
        raise ValueError(f"key: expected 1 to 2**128 - 1, found {number}: 0 stands for no key")
    return number & UINT64_MASK, number >> 64


def _hashed(key: str | bytes) -> int:
    try:
        text = key.encode() if isinstance(key, str) else key
    except UnicodeEncodeError:
        raise ValueError(f"key: expected text that UTF-8 can hold, found {key!r}") from None
    if not text:
        raise ValueError(f"key: expected 1 byte or more, found {key!r}")
    return int.from_bytes(_blake2b()(text, digest_size=16).digest(), "little")


def _blake2b() -> Callable[..., Any]:
    """The hash by itself where CPython has it so: `hashlib` would load OpenSSL for it."""
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    made: Callable[..., Any] = blake2b
    return made


def hash_key(key: bytes) -> int:
    """64 bits of the eight words of a key, the same in every process."""
    hashed = HASH_SEED
    for word in WORDS.unpack(key):
        hashed = mix(hashed, word)
    return hashed


def mix(hashed: int, word: int) -> int:
    """The hash, one word further."""
    hashed = (hashed ^ word) * HASH_FACTOR & UINT64_MASK
    return hashed ^ hashed >> 32
