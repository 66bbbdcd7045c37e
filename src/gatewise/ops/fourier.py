"""Complex numbers as pairs of arrays, and Fourier transforms of them, as Keras has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.ops.numpy_names import call_numpy
from gatewise.ops.operation import array, differentiable_pair, floats, operation, together


def _pair(x: Any) -> tuple[Any, Any]:
    """The real and the imaginary part of what Keras gives as (real, imaginary).

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(x, list | tuple) or len(x) != 2:
        raise ValueError(f"A transform takes a pair (real, imaginary) of arrays; got {type(x).__name__}.")
    real, imaginary = together(floats(x[0]), floats(x[1]))
    return real, imaginary


def _parts(z: Any, dtype: Any) -> list[np.ndarray]:
    return [z.real.astype(dtype), z.imag.astype(dtype)]


@differentiable_pair
def _transformed(real: Any, imaginary: Any, *, forward: Any, adjoint: Any) -> tuple[Any, Any]:
    """A linear transform of complex numbers; `adjoint` is its conjugate transpose."""
    y = _parts(forward(real + 1j * imaginary), real.dtype)
    return y, lambda d: tuple(_parts(adjoint(d[0] + 1j * d[1]), real.dtype))


@operation
def fft(x: Any) -> tuple:
    """The discrete Fourier transform along the last axis, of and as a pair (real, imaginary)."""
    n = np.shape(autodiff.plain(x[0]))[-1]
    return tuple(_transformed(*_pair(x), forward=np.fft.fft, adjoint=lambda d: n * np.fft.ifft(d)))


@operation
def fft2(x: Any) -> tuple:
    """The transform along the last two axes, of and as a pair (real, imaginary)."""
    n = int(np.prod(np.shape(autodiff.plain(x[0]))[-2:]))
    return tuple(_transformed(*_pair(x), forward=np.fft.fft2, adjoint=lambda d: n * np.fft.ifft2(d)))


@operation
def ifft2(x: Any) -> tuple:
    """The inverse of `fft2`."""
    n = int(np.prod(np.shape(autodiff.plain(x[0]))[-2:]))
    return tuple(_transformed(*_pair(x), forward=np.fft.ifft2, adjoint=lambda d: np.fft.fft2(d) / n))


@operation
def rfft(x: Any, fft_length: int | None = None) -> tuple:
    """The transform of real numbers along the last axis: the frequencies that are not mirrored, as a pair."""
    return tuple(_real_transform(floats(x), length=fft_length))


@differentiable_pair
def _real_transform(x: Any, *, length: int | None) -> tuple[Any, Any]:
    n = x.shape[-1] if length is None else int(length)

    def pullback(d: Any) -> Any:
        full = np.zeros((*d[0].shape[:-1], n), complex)
        full[..., : d[0].shape[-1]] = d[0] + 1j * d[1]
        dx = (n * np.fft.ifft(full)).real[..., : x.shape[-1]]
        missing = x.shape[-1] - dx.shape[-1]
        return np.pad(dx, [*[(0, 0)] * (x.ndim - 1), (0, missing)])

    return _parts(np.fft.rfft(x, n), x.dtype), pullback


@operation
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """The real numbers whose `rfft` the pair is; `fft_length` of them (default: an even number)."""
    return _real_inverse(*_pair(x), length=fft_length)


@differentiable_pair
def _real_inverse(real: Any, imaginary: Any, *, length: int | None) -> tuple[Any, Any]:
    n = 2 * (real.shape[-1] - 1) if length is None else int(length)

    def pullback(dy: Any) -> Any:
        d = np.fft.rfft(dy, n) / n
        used = d.shape[-1]
        d[..., 1 : used - (n % 2 == 0)] *= 2  # each stands for itself and its mirror image
        missing = real.shape[-1] - used
        d = np.pad(d, [*[(0, 0)] * (d.ndim - 1), (0, max(missing, 0))])[..., : real.shape[-1]]
        # The transform of real numbers does not see these imaginary parts.
        d.imag[..., 0] = 0
        if n % 2 == 0 and n // 2 < d.shape[-1]:
            d.imag[..., n // 2] = 0
        return tuple(_parts(d, real.dtype))

    return np.fft.irfft(real + 1j * imaginary, n).astype(real.dtype), pullback


@operation
def polar(abs_: Any, angle: Any) -> Any:
    """The complex numbers of these sizes and angles."""
    size, angle = together(floats(abs_), floats(angle))
    return view_as_complex.__wrapped__(
        call_numpy("stack", [size * call_numpy("cos", angle), size * call_numpy("sin", angle)], -1)
    )


@operation
def view_as_complex(x: Any) -> Any:
    """Complex numbers from their real and imaginary parts in the last axis, of size 2."""
    x = floats(x)
    kind = np.complex64 if x.dtype == np.float32 else np.complex128
    found = x[..., 0] + 1j * x[..., 1]
    return found if autodiff.is_traced(found) else found.astype(kind)


@operation
def view_as_real(x: Any) -> Any:
    """The real and imaginary parts of complex numbers, as a last axis of size 2."""
    x = array(x)
    return call_numpy("stack", [call_numpy("real", x), call_numpy("imag", x)], -1)


@operation
def view(x: Any, dtype: Any = None) -> Any:
    """The memory of x read as another type."""
    found = array(autodiff.plain(x))
    return found if dtype is None else found.view(dtype)
