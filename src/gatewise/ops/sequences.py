"""Connectionist temporal classification as operations: its loss, and reading the labels off outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.ctc import ctc_pair
from gatewise.ops.operation import floats, operation

_EMPTY = -1
"""What fills up decoded labels."""


def _plain_ints(x: Any) -> np.ndarray:
    return np.asarray(autodiff.plain(x)).astype(np.intp)


def _check_sequences(name: str, logits: Any, **lengths: np.ndarray) -> None:
    if logits.ndim != 3:
        raise ValueError(f"ops.{name} wants outputs of shape (batch, steps, classes); they have {tuple(logits.shape)}.")
    for what, given in lengths.items():
        if given.shape != logits.shape[:1]:
            raise ValueError(
                f"ops.{name} wants one of {what} a sequence, {logits.shape[0]}; it has shape {given.shape}."
            )


@operation
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """-log p(target | output) of each sequence over all alignments; inf where there are too few steps.

    Args:
        target: (N, L) integers.   output: (N, T, K), before the softmax.
        target_length, output_length: (N,), how many labels and steps count.   mask_index: the class of the blank.
    """
    logits, labels = floats(output), _plain_ints(target)
    lengths, steps = _plain_ints(target_length), _plain_ints(output_length)
    _check_sequences("ctc_loss", logits, target_length=lengths, output_length=steps)
    size, classes = logits.shape[1:]
    if labels.ndim != 2 or len(labels) != len(logits):
        raise ValueError(
            f"ops.ctc_loss wants target of shape (batch, labels) beside output {tuple(logits.shape)}; it has "
            f"{labels.shape}."
        )
    if np.any((lengths < 0) | (lengths > labels.shape[1])) or np.any((steps < 0) | (steps > size)):
        raise ValueError(
            f"ops.ctc_loss: target_length is from 0 to {labels.shape[1]}, output_length from 0 to {size}; got "
            f"{lengths.tolist()} and {steps.tolist()}."
        )
    counted = np.arange(labels.shape[1]) < lengths[:, None]
    if np.any(counted & ((labels < 0) | (labels >= classes))):
        raise ValueError(f"ops.ctc_loss: target holds labels from 0 to {classes - 1}, as output has {classes} classes.")
    labels = np.where(counted, labels, mask_index % classes)
    return autodiff.apply(lambda x: ctc_pair(labels, x, lengths, steps, mask_index % classes), logits)


@operation
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Any:
    """The labels that outputs read as.

    Args:
        inputs: (N, T, K), before the softmax.   sequence_lengths: (N,), how many steps count.
        strategy: "greedy", the largest output of each step, or "beam_search", the likeliest labels over all alignments.
        beam_width: how many beginnings the search keeps.   top_paths: how many results it returns.
        merge_repeated: whether the greedy strategy reads a repeated output as one.   mask_index: class of the blank.
    Returns:
        (labels, scores): (paths, N, T) ints, filled up with -1; (N, paths), the negative sum of the largest outputs
        ("greedy"), or log probabilities ("beam_search").
    """
    logits, steps = np.asarray(autodiff.plain(floats(inputs))), _plain_ints(sequence_lengths)
    _check_sequences("ctc_decode", logits, sequence_lengths=steps)
    n, size, classes = logits.shape
    blank = mask_index % classes
    if strategy == "greedy":
        found = [[_read_greedily(row[:k], blank, merge_repeated)] for row, k in zip(logits, steps, strict=True)]
    elif strategy == "beam_search":
        found = [_search(row[:k], blank, beam_width, top_paths) for row, k in zip(logits, steps, strict=True)]
    else:
        raise ValueError(f"ops.ctc_decode: strategy is 'greedy' or 'beam_search'; got {strategy!r}.")
    paths = 1 if strategy == "greedy" else top_paths
    decoded = np.full((paths, n, size), _EMPTY, np.int32)
    scores = np.full((n, paths), -np.inf, logits.dtype)
    for row, results in enumerate(found):
        for path, (labels, score) in enumerate(results):
            decoded[path, row, : len(labels)] = labels
            scores[row, path] = score
    return decoded, scores


def _read_greedily(logits: np.ndarray, blank: int, merge_repeated: bool) -> tuple[list[int], float]:
    best = np.argmax(logits, axis=-1).tolist()
    read = [k for t, k in enumerate(best) if k != blank and not (merge_repeated and t and best[t - 1] == k)]
    return read, -float(np.sum(np.max(logits, axis=-1, initial=-np.inf)))


def _search(logits: np.ndarray, blank: int, width: int, paths: int) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest labels of one sequence, best first, by a search over their beginnings.

    Each beginning has two log probabilities: of the paths that read so and end in a blank, and of those that do not.
    Source: Hannun, Maas, Jurafsky & Ng 2014.
    """
    wide = logits.astype(np.float64)
    logs = wide - np.logaddexp.reduce(wide, axis=-1, keepdims=True)
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in logs.tolist():
        grown: dict[tuple[int, ...], tuple[float, float]] = {}

        def add(labels: tuple[int, ...], blank_end: float, label_end: float, grown: Any = grown) -> None:
            before = grown.get(labels, (-np.inf, -np.inf))
            grown[labels] = (np.logaddexp(before[0], blank_end), np.logaddexp(before[1], label_end))

        for labels, (blank_end, label_end) in beams.items():
            total = np.logaddexp(blank_end, label_end)
            add(labels, total + step[blank], label_end + step[labels[-1]] if labels else -np.inf)
            for k, score in enumerate(step):
                if k != blank:
                    from_here = blank_end if labels and labels[-1] == k else total
                    add((*labels, k), -np.inf, from_here + score)
        ranked = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))
        beams = dict(ranked[:width])
    return [(labels, float(np.logaddexp(*ends))) for labels, ends in list(beams.items())[:paths]]
