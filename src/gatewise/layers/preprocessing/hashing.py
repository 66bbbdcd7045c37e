"""Hashes of words: which of several places for unknown words a word gets.  The same numbers in every run and version.

Sources: FarmHash, Fingerprint64 (Google, 2014); SipHash-2-4 (Aumasson & Bernstein 2012).
"""

from __future__ import annotations

from collections.abc import Sequence

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def fingerprint64(data: bytes) -> int:
    """FarmHash's Fingerprint64, a number from 0 to 2**64 - 1."""
    n = len(data)
    if n <= 16:
        return _up_to_16(data)
    if n <= 32:
        return _up_to_32(data)
    return _up_to_64(data) if n <= 64 else _long(data)


def _word(data: bytes, start: int, size: int = 8) -> int:
    """The little-endian number of `size` bytes at `start` (negative: from the end)."""
    start = start if start >= 0 else len(data) + start
    return int.from_bytes(data[start : start + size], "little")


def _rotated(x: int, n: int) -> int:
    """x, as 64 bits, rotated right by n."""
    x &= _MASK
    return (x >> n | x << (64 - n)) & _MASK


def _shift_mix(x: int) -> int:
    x &= _MASK
    return x ^ x >> 47


def _mixed(u: int, v: int, factor: int) -> int:
    """Two words made one."""
    a = _shift_mix((u ^ v) * factor)
    b = _shift_mix(((v & _MASK) ^ a) * factor)
    return b * factor & _MASK


def _up_to_16(data: bytes) -> int:
    n = len(data)
    factor = _K2 + n * 2
    if n >= 8:
        a, b = _word(data, 0) + _K2, _word(data, -8)
        return _mixed(_rotated(b, 37) * factor + a & _MASK, (_rotated(a, 25) + b) * factor & _MASK, factor)
    if n >= 4:
        return _mixed(n + (_word(data, 0, 4) << 3), _word(data, -4, 4), factor)
    if n > 0:
        y, z = data[0] + (data[n >> 1] << 8), n + (data[-1] << 2)
        return _shift_mix(y * _K2 & _MASK ^ z * _K0 & _MASK) * _K2 & _MASK
    return _K2


def _up_to_32(data: bytes) -> int:
    factor = _K2 + len(data) * 2
    a, b = _word(data, 0) * _K1 & _MASK, _word(data, 8)
    c, d = _word(data, -8) * factor & _MASK, _word(data, -16) * _K2 & _MASK
    u = _rotated(a + b, 43) + _rotated(c, 30) + d & _MASK
    return _mixed(u, a + _rotated(b + _K2, 18) + c & _MASK, factor)


def _up_to_64(data: bytes) -> int:
    factor = _K2 + len(data) * 2
    a, b = _word(data, 0) * _K2 & _MASK, _word(data, 8)
    c, d = _word(data, -8) * factor & _MASK, _word(data, -16) * _K2 & _MASK
    y = _rotated(a + b, 43) + _rotated(c, 30) + d & _MASK
    z = _mixed(y, a + _rotated(b + _K2, 18) + c & _MASK, factor)
    e, f = _word(data, 16) * factor & _MASK, _word(data, 24)
    g, h = (y + _word(data, -32)) * factor & _MASK, (z + _word(data, -24)) * factor & _MASK
    u = _rotated(e + f, 43) + _rotated(g, 30) + h & _MASK
    return _mixed(u, e + _rotated(f + a, 18) + g & _MASK, factor)


def _pair(data: bytes, start: int, a: int, b: int) -> tuple[int, int]:
    """Two words from 32 bytes and two seeds."""
    w, x, y, z = (_word(data, start + 8 * k) for k in range(4))
    a += w
    b = _rotated(b + a + z, 21)
    c = a
    a += x + y
    return a + z & _MASK, b + _rotated(a, 44) + c & _MASK


def _long(data: bytes) -> int:
    n, seed = len(data), 81
    x, y = seed * _K2 + _word(data, 0) & _MASK, seed * _K1 + 113 & _MASK
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    v = w = (0, 0)
    for s in range(0, (n - 1) // 64 * 64, 64):
        x = _rotated(x + y + v[0] + _word(data, s + 8), 37) * _K1 ^ w[1]
        y = _rotated(y + v[1] + _word(data, s + 48), 42) * _K1 + v[0] + _word(data, s + 40)
        z = _rotated(z + w[0], 33) * _K1
        v = _pair(data, s, v[1] * _K1, x + w[0])
        w = _pair(data, s + 32, z + w[1], y + _word(data, s + 16))
        x, y, z = z & _MASK, y & _MASK, x & _MASK
    factor, s = _K1 + ((z & 0xFF) << 1), n - 64
    w = (w[0] + (n - 1 & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    x = _rotated(x + y + v[0] + _word(data, s + 8), 37) * factor ^ w[1] * 9
    y = _rotated(y + v[1] + _word(data, s + 48), 42) * factor + v[0] * 9 + _word(data, s + 40)
    z = _rotated(z + w[0], 33) * factor
    v = _pair(data, s, v[1] * factor, x + w[0])
    w = _pair(data, s + 32, z + w[1], y + _word(data, s + 16))
    x, z = z, x
    first = _mixed(v[0], w[0], factor) + _shift_mix(y) * _K0 + z
    return _mixed(first & _MASK, _mixed(v[1], w[1], factor) + x & _MASK, factor)


def siphash(data: bytes, key: Sequence[int]) -> int:
    """SipHash-2-4 under a key of two integers, a number from 0 to 2**64 - 1."""
    k0, k1 = key[0] & _MASK, key[1] & _MASK
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for start in range(0, len(padded), 8):
        word = _word(padded, start)
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _rounds(v: list[int], n: int) -> None:
    """n rounds of SipHash on its four words, each in two halves of the same form."""
    for _ in range(n):
        for a, b, c, d, r, s in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = v[a] + v[b] & _MASK
            v[b] = _rotated(v[b], 64 - r) ^ v[a]
            v[a] = _rotated(v[a], 32)
            v[c] = v[c] + v[d] & _MASK
            v[d] = _rotated(v[d], 64 - s) ^ v[c]
