"""Which number of a model's outputs is explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import autodiff, suggest
from gatewise.validation import drawn


@dataclass(frozen=True, eq=False)
class Target:
    """One number of each sample.

    Attributes:
        text: which, in words.
        output: the number of the output; None for a function of all.
        index: into the output's axes behind the samples; None where each sample has a class of its own.
        classes: (N,), the class of each sample; None where it is the likeliest.
        function: of the outputs, nested as the model returns them; it returns (N,).
        nested: nests flat outputs so.
    """

    text: str
    output: int | None = None
    index: tuple[int, ...] | None = None
    classes: np.ndarray | None = None
    function: Callable[[Any], Any] | None = None
    nested: Callable[[list], Any] | None = None

    def chosen(self, outputs: Sequence[np.ndarray], rows: slice) -> np.ndarray | None:
        """The class of each of these rows, where each has one of its own."""
        if self.output is None or self.index is not None:
            return None
        return outputs[self.output].argmax(axis=-1) if self.classes is None else self.classes[rows]

    def values(self, outputs: Sequence[np.ndarray], chosen: np.ndarray | None) -> tuple[np.ndarray, list]:
        """The number of each row, and the gradients of their sum with respect to the outputs.

        Raises:
            ValueError: if a function returns anything but one number for each sample.
        """
        slopes: list[Any] = [None] * len(outputs)
        if self.output is None:
            function, nested, n = self.function, self.nested, len(outputs[0])
            assert function is not None and nested is not None
            y, back = autodiff.vjp(lambda *flat: function(nested(list(flat))), *outputs)
            if not isinstance(y, np.ndarray) or y.shape not in ((n,), (n, 1)):
                raise ValueError(
                    "attribute(): a target function returns one number for each sample.\n"
                    f"    expected: {drawn((n,))}\n    given:    {drawn(np.shape(y))}"
                )
            return y.reshape(n), list(back(np.ones_like(y)))
        found = outputs[self.output]
        place = (np.arange(len(found)), chosen) if self.index is None else (slice(None), *self.index)
        slope = slopes[self.output] = np.zeros_like(found)
        slope[place] = 1
        return found[place], slopes


def target_of(target: Any, outputs: Sequence[np.ndarray], names: Sequence[str], nested: Any, n: int) -> Target:
    """The target that is meant.

    Args:
        outputs: for one sample.
        names: of the outputs.
        nested: nests flat outputs as the model returns them.
        n: how many samples there are.

    Raises:
        ValueError: for one that is not there.
    """
    if callable(target):
        name = getattr(target, "__name__", "<lambda>")
        return Target(
            "a function of the outputs" if name == "<lambda>" else f"{name}()", function=target, nested=nested
        )
    place, index = _output_and_index(target, names)
    shape = outputs[place].shape[1:]
    if outputs[place].dtype.kind != "f":
        raise ValueError(f"attribute(): the output '{names[place]}' holds no floats, so it has no gradient.")
    called = f"'{names[place]}'"
    if index is None:
        if all(size == 1 for size in shape):
            return Target(called, place, (0,) * len(shape))
        if len(shape) == 1:
            return Target(f"{called}, the likeliest class of each sample", place)
        raise ValueError(_which(names[place], shape))
    if not isinstance(index, tuple) and np.ndim(index) == 1:
        return Target(f"{called}, a class for each sample", place, classes=_classes(index, names[place], shape, n))
    flat = index if isinstance(index, tuple) else (index,)
    if not all(_is_integer(k) for k in flat):
        raise ValueError(f"attribute(): target is made of whole numbers; got {target!r}.")
    if len(flat) != len(shape):
        raise ValueError(_which(names[place], shape, target))
    for k, size in zip(flat, shape, strict=True):
        if not -size <= int(k) < size:
            raise ValueError(
                f"attribute(): target={target!r} is out of range; the output {called} of a sample has the shape "
                f"{drawn(shape)}."
            )
    return Target(f"{called}[{', '.join(str(int(k)) for k in flat)}]", place, tuple(int(k) for k in flat))


def _is_integer(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool | np.bool_) and np.ndim(value) == 0


def _output_and_index(target: Any, names: Sequence[str]) -> tuple[int, Any]:
    """The number of the output that is meant, and what says which of its numbers."""
    name, index = None, target
    if isinstance(target, str):
        name, index = target, None
    elif isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], str):
        name, index = target
    if name is not None:
        if name not in names:
            raise ValueError(f"attribute(): {suggest.unknown('output', name, names)}")
        return list(names).index(name), index
    if len(names) > 1:
        raise ValueError(
            f"attribute(): the model has several outputs ({', '.join(names)}), so say which: "
            f"target=({names[0]!r}, {0 if target is None else target!r})."
        )
    return 0, index


def _which(name: str, shape: tuple[int, ...], target: Any = None) -> str:
    example = (-1,) + (0,) * (len(shape) - 1) if len(shape) > 1 else 0
    given = "" if target is None else f"; target={target!r} does not name one"
    return (
        f"attribute(): the output '{name}' of a sample has the shape {drawn(shape)}{given}. Say which number: "
        f"target={example}, or a function of the output."
    )


def _classes(given: Any, name: str, shape: tuple[int, ...], n: int) -> np.ndarray:
    """One class for each sample."""
    classes = np.asarray(given)
    if len(shape) != 1 or classes.dtype.kind not in "iu" or len(classes) != n:
        raise ValueError(
            f"attribute(): an array as target holds one whole number, a class, for each of the {n} samples, and the "
            f"output is (samples, classes); got {classes.dtype} of shape {drawn(classes.shape)} for the output "
            f"'{name}', which has the shape {drawn(shape)} for a sample."
        )
    if ((classes < -shape[0]) | (classes >= shape[0])).any():
        raise ValueError(f"attribute(): target has classes out of range; the output '{name}' has {shape[0]}.")
    return classes
