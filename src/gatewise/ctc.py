"""Connectionist temporal classification: the probability that outputs, step by step, read as given labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_NEVER = -1e30
"""The logarithm of probability 0: finite, so that differences of two of them are."""


class _Labels(NamedTuple):
    """Labels with blanks between, before and after: blank, l1, blank, l2, blank, ...

    codes: (N, S), S = 2 L + 1.   may_skip: (N, S), 0 where a path may come from two places before, else `_NEVER`.
    is_end: (N, S) bool, the places where a path may end.
    """

    codes: np.ndarray
    may_skip: np.ndarray
    is_end: np.ndarray

    @staticmethod
    def of(labels: np.ndarray, lengths: np.ndarray, blank: int) -> _Labels:
        n, size = labels.shape
        codes = np.full((n, 2 * size + 1), blank, np.intp)
        codes[:, 1::2] = labels
        may_skip = np.full(codes.shape, _NEVER)
        # The blank between two labels may be left out unless they are the same.
        may_skip[:, 3::2] = np.where(labels[:, 1:] != labels[:, :-1], 0.0, _NEVER)
        place = np.arange(codes.shape[1])
        last = 2 * lengths[:, None]
        return _Labels(codes, may_skip, (place == last) | ((place == last - 1) & (lengths[:, None] > 0)))


def _log_sum(a: Any, b: Any, c: Any) -> Any:
    """log(e^a + e^b + e^c)."""
    top = np.maximum(np.maximum(a, b), c)
    return top + np.log(np.exp(a - top) + np.exp(b - top) + np.exp(c - top))


def _moved(scores: np.ndarray, by: int) -> np.ndarray:
    """scores[:, s - by] in place s; nothing comes from outside."""
    moved = np.full(scores.shape, _NEVER)
    if by > 0:
        moved[:, by:] = scores[:, :-by]
    else:
        moved[:, :by] = scores[:, -by:]
    return moved


def _alphas(emitted: np.ndarray, labels: _Labels) -> np.ndarray:
    """alpha[t, n, s]: log probability of being at place s after step t, that step's output included."""
    alphas = np.full(emitted.shape, _NEVER)
    alphas[0, :, :2] = emitted[0, :, :2]
    for t in range(1, len(emitted)):
        before = alphas[t - 1]
        skipped = _moved(before, 2) + labels.may_skip
        alphas[t] = np.maximum(_log_sum(before, _moved(before, 1), skipped) + emitted[t], _NEVER)
    return alphas


def _betas(emitted: np.ndarray, labels: _Labels, steps: np.ndarray) -> np.ndarray:
    """beta[t, n, s]: log probability of all steps after t, from place s to an end; each row has its own last step."""
    end = np.where(labels.is_end, 0.0, _NEVER)
    skip_from = np.full(labels.may_skip.shape, _NEVER)
    skip_from[:, :-2] = labels.may_skip[:, 2:]
    betas = np.empty(emitted.shape)
    betas[-1] = end
    for t in range(len(emitted) - 2, -1, -1):
        after = betas[t + 1] + emitted[t + 1]
        onward = _log_sum(after, _moved(after, -1), _moved(after, -2) + skip_from)
        betas[t] = np.where((t < steps - 1)[:, None], np.maximum(onward, _NEVER), end)
    return betas


def ctc_pair(
    labels: np.ndarray, logits: np.ndarray, lengths: np.ndarray, steps: np.ndarray, blank: int = 0
) -> tuple[Any, Callable[[Any], Any]]:
    """-log of the probability of all paths through the outputs that read as the labels.

    A path is an output (or the blank) a step; it reads as what is left when repetitions are merged and blanks removed.
    Forward and backward in log space, in float64; the gradient is softmax(logits) less the share of the paths that
    take each output at each step.  Labels that need more steps than there are have loss inf and gradient 0.

    Args:
        labels: (N, L) ints.   logits: (N, T, K), before the softmax.
        lengths: (N,), how many labels count.   steps: (N,), how many time steps do.   blank: the blank's index.
    Returns:
        (loss (N,), pullback) with `pullback(d)` of shape (N, T, K); both of the type of `logits`.
    Source: Graves, Fernandez, Gomez & Schmidhuber 2006.
    """
    n, t_size, _ = logits.shape
    wide = logits.astype(np.float64)
    shifted = wide - np.max(wide, axis=-1, keepdims=True, initial=_NEVER)
    logs = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    extended = _Labels.of(labels, lengths, blank)
    rows = np.arange(n)
    if not t_size:
        none = np.where(lengths == 0, 0.0, np.inf).astype(logits.dtype)
        return none, lambda d: np.zeros_like(logits)
    emitted = np.maximum(logs[rows[:, None], :, extended.codes].transpose(2, 0, 1), _NEVER)
    alphas = _alphas(emitted, extended)
    last = np.where(extended.is_end, alphas[np.maximum(steps - 1, 0), rows], _NEVER)
    top = np.max(last, axis=-1)
    total = top + np.log(np.sum(np.exp(last - top[:, None]), axis=-1))
    total = np.where(steps > 0, total, np.where(lengths == 0, 0.0, _NEVER))
    possible = total > _NEVER / 2
    loss = np.where(possible, -total, np.inf).astype(logits.dtype)

    def pullback(d: Any) -> np.ndarray:
        counts = (np.arange(t_size) < steps[:, None]) & possible[:, None]
        shares = np.exp(
            np.minimum(alphas + _betas(emitted, extended, steps) - np.where(possible, total, 0)[:, None], 0)
        )
        taken = np.zeros(logs.shape)
        for s in range(extended.codes.shape[1]):  # in order: a sum that does not depend on how it is split
            taken[rows, :, extended.codes[:, s]] += shares[:, :, s].T
        gradient = np.where(counts[..., None], np.exp(logs) - taken, 0)
        return (gradient * np.asarray(d, np.float64).reshape(-1, 1, 1)).astype(logits.dtype)

    return loss, pullback
