"""Windows: the arithmetic that convolution and pooling share, over any number of axes.

A window has `kernel` taps along each axis, `dilation` apart, and moves by `strides`.  Arrays here have their channels
last, (N, *sizes, C).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import kernels

Sizes = tuple[int, ...]


class Windows(NamedTuple):
    """Where the windows lie on an array (N, *sizes, C).

    Attributes:
        sizes: of the array.  kernel, strides, dilation: of the windows, a number an axis.
        before: how much padding there is in front of the array.
        counts: how many windows there are along each axis.
    """

    sizes: Sizes
    kernel: Sizes
    strides: Sizes
    dilation: Sizes
    before: Sizes
    counts: Sizes

    @property
    def padded_sizes(self) -> Sizes:
        """The sizes of the array with its padding: all of it, and what the last window reaches."""
        return tuple([
            max(before + size, (count - 1) * stride + extent(taps, dilation))
            for size, taps, stride, dilation, before, count in zip(*self, strict=True)
        ])  # fmt: skip

    def _place(self) -> tuple[slice, ...]:
        """Where the array lies in the padded one."""
        return (slice(None), *[slice(b, b + n) for b, n in zip(self.before, self.sizes, strict=True)])

    def padded(self, x: np.ndarray, value: float = 0.0) -> np.ndarray:
        """x with `value` around it; x itself where nothing is added."""
        sizes = self.padded_sizes
        if sizes == x.shape[1:-1]:
            return x
        shape = (len(x), *sizes, x.shape[-1])
        found = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
        found[self._place()] = x
        return found

    def taps(self) -> Iterator[tuple[Sizes, tuple[slice, ...]]]:
        """Each tap of the window with the slices of the padded array that it meets, (N, *counts, C)."""
        steps = list(zip(self.strides, self.dilation, self.counts, strict=True))
        for tap in itertools.product(*map(range, self.kernel)):
            places = [slice(k * d, k * d + (n - 1) * s + 1, s) for k, (s, d, n) in zip(tap, steps, strict=True)]
            yield tap, (slice(None), *places)

    def patches(self, x: np.ndarray) -> np.ndarray:
        """What each window sees: (N * windows, taps * C)."""
        whole = self.padded(x)
        first, *along, last = whole.strides
        view = np.lib.stride_tricks.as_strided(
            whole,
            (len(x), *self.counts, *self.kernel, x.shape[-1]),
            (
                first,
                *[a * s for a, s in zip(along, self.strides, strict=True)],
                *[a * d for a, d in zip(along, self.dilation, strict=True)],
                last,
            ),
            writeable=False,
        )
        return view.reshape(len(x) * product(self.counts), product(self.kernel) * x.shape[-1])

    def spread(self, rows: np.ndarray, batch: int) -> np.ndarray:
        """The other way of `patches`: what lies under several windows is summed, (N, *sizes, C)."""
        channels = rows.shape[-1] // product(self.kernel)
        rows = rows.reshape(batch, *self.counts, *self.kernel, channels)
        every = (slice(None),) * (1 + len(self.sizes))
        whole = np.zeros((batch, *self.padded_sizes, channels), rows.dtype)
        for tap, places in self.taps():
            whole[places] += rows[every + tap]
        return self.cut(whole)

    def cut(self, whole: np.ndarray) -> np.ndarray:
        """The array out of the padded one."""
        return whole[self._place()]


@functools.lru_cache(maxsize=1024)
def windows_over(sizes: Sizes, kernel: Sizes, strides: Sizes, dilation: Sizes, padding: str) -> Windows:
    """The windows over an array of these sizes.

    Args:
        padding: "valid": windows lie within the array; "same": ceil(size / stride) windows, the padding halved, the
            odd one behind; "causal": as many, all the padding in front.
    """
    before, counts = [], []
    for size, taps, stride, step in zip(sizes, kernel, strides, dilation, strict=True):
        length = extent(taps, step)
        count = window_count(size, taps, stride, step, padding)
        total = max((count - 1) * stride + length - size, 0)
        before.append({"valid": 0, "same": total // 2, "causal": length - 1}[padding])
        counts.append(count)
    return Windows(sizes, kernel, strides, dilation, tuple(before), tuple(counts))


def window_count(size: int, taps: int, stride: int, dilation: int, padding: str) -> int:
    """How many windows there are along an axis; not positive where none fits."""
    return (size - (extent(taps, dilation) if padding == "valid" else 1)) // stride + 1


def extent(taps: int, dilation: int) -> int:
    """How far a window reaches along an axis."""
    return (taps - 1) * dilation + 1


def product(sizes: Sequence[int]) -> int:
    """The product of sizes."""
    return int(np.prod(sizes, dtype=np.int64))


# ---- convolution ----------------------------------------------------------------------------------------


def convolve(x: np.ndarray, W: np.ndarray, windows: Windows, groups: int = 1) -> np.ndarray:
    """z[n, p, l] = sum over taps k and channels c of x[n, p stride + k dilation - before, c] W[k, c, l].

    Args:
        x: (N, *sizes, C).  W: (*kernel, C / groups, L).
        groups: each of C / groups channels makes its own L / groups of the L outputs.

    Returns:
        (N, *counts, L), a new array.
    """
    if groups > 1:
        parts = [convolve(a, b, windows) for a, b in zip(split(x, groups), split(W, groups), strict=True)]
        return np.concatenate(parts, axis=-1)
    z = kernels.matmul(windows.patches(x), W.reshape(-1, W.shape[-1]))
    return z.reshape(len(x), *windows.counts, W.shape[-1])


def convolve_backward(
    dz: np.ndarray,
    x: np.ndarray,
    W: np.ndarray,
    windows: Windows,
    groups: int = 1,
    wants: Sequence[bool] = (True, True),
) -> tuple[Any, Any]:
    """The gradients of x and W of `convolve`; None where `wants` says so."""
    if groups > 1:
        parts = [
            convolve_backward(*part, windows, 1, wants)
            for part in zip(split(dz, groups), split(x, groups), split(W, groups), strict=True)
        ]
        dx, dW = (
            np.concatenate(found, axis=-1) if found[0] is not None else None for found in zip(*parts, strict=True)
        )
        return dx, dW
    rows = dz.reshape(len(x) * product(windows.counts), W.shape[-1])
    dx = windows.spread(kernels.matmul(rows, W.reshape(-1, W.shape[-1]).T), len(x)) if wants[0] else None
    # The patches are made anew: kept, they would take as many times the memory of x as the window has taps.
    dW = transposed_product(windows.patches(x), rows).reshape(W.shape) if wants[1] else None
    return dx, dW


def transposed_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a^T b, (K, L), for a (M, K) and b (M, L): of the two the narrower is turned, for that costs a copy."""
    return kernels.matmul(a.T, b) if a.shape[1] <= b.shape[1] else kernels.matmul(b.T, a).T


def convolve_depthwise(x: np.ndarray, W: np.ndarray, windows: Windows) -> np.ndarray:
    """z[n, p, c M + m] = sum over taps k of x[n, p stride + k dilation - before, c] W[k, c, m].

    x: (N, *sizes, C).  W: (*kernel, C, M).  Returns (N, *counts, C M).
    """
    C, M = W.shape[-2:]
    whole = windows.padded(x)
    z = np.zeros((len(x), *windows.counts, C, M), x.dtype)
    for tap, places in windows.taps():
        z += whole[places][..., None] * W[tap]
    return z.reshape(*z.shape[:-2], C * M)


def convolve_depthwise_backward(
    dz: np.ndarray, x: np.ndarray, W: np.ndarray, windows: Windows, wants: Sequence[bool]
) -> tuple[Any, Any]:
    """The gradients of x and W of `convolve_depthwise`, each None where it is not wanted."""
    dz = dz.reshape(*dz.shape[:-1], *W.shape[-2:])
    axes = tuple(range(1 + len(windows.sizes)))
    whole = windows.padded(x)
    dx, dW = np.zeros_like(whole) if wants[0] else None, np.empty_like(W) if wants[1] else None
    for tap, places in windows.taps():
        if dx is not None:
            dx[places] += (dz * W[tap]).sum(axis=-1)
        if dW is not None:
            dW[tap] = np.add.reduce(whole[places][..., None] * dz, axis=axes)
    return None if dx is None else windows.cut(dx), dW


def split(x: np.ndarray, groups: int) -> list[np.ndarray]:
    """The last axis in equal parts."""
    return np.split(x, groups, axis=-1)
