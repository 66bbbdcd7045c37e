"""Embedding: integers to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, constraints, initializers, ops, regularizers, validation
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers import pinned


class Embedding(Layer):
    """Replaces each integer by a vector of its own: y[..., :] = E[x[...], :].

    Args:
        input_dim: how many integers there are: 0 to input_dim - 1.
        output_dim: length D of the vectors.
        embeddings_*: initializer, regularizer and constraint of the weight.
        mask_zero: whether 0 stands for padding: the steps at which x is 0 are masked for the layers that follow.
        weights: the array (input_dim, output_dim) to begin with, alone or in a list.
        input_length: steps of the input, for the first layer of a Sequential model (Keras 1 and 2).
        activity_regularizer: of the output.
        **kwargs: of `Layer`.

    Input integers of any shape (...), floats cut off to integers; output (..., D).  Weights: embeddings (input_dim, D).
    The gradient of a row is the sum of dy over all places where x names it.

    Raises:
        ValueError: for an index that has no row.
    """

    takes_floats = False
    stepwise = True
    not_in_config = ("autocast", "weights", "input_length")
    in_config_if_true = ()
    constant_config = {"quantization_config": None}  # Keras 3 writes it

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        *,
        input_length: int | Sequence[int | None] | None = None,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.input_dim = validation.positive_integer(input_dim, "input_dim", type(self).__name__)
        self.output_dim = validation.positive_integer(output_dim, "output_dim", type(self).__name__)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        self.supports_masking = True
        self.autocast = False  # an index must not lose digits
        if input_length is not None and self._batch_input_shape is None:
            steps = tuple(input_length) if isinstance(input_length, list | tuple) else (input_length,)
            self._batch_input_shape = (None, *steps)
        if weights is not None:
            self.build(None)
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    @property
    def may_create_mask(self) -> bool:
        return self.mask_zero

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim), self.embeddings_initializer, name="embeddings",
            regularizer=self.embeddings_regularizer, constraint=self.embeddings_constraint,
        )  # fmt: skip

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if not self.mask_zero:
            return previous_mask
        if isinstance(inputs, SymbolicTensor):  # a user hands the mask on: lstm(x, mask=embedding.compute_mask(ids))
            own = ops.not_equal(inputs, 0)
            return own if previous_mask is None else ops.logical_and(own, previous_mask)
        own = pinned.pinned_mask(np.asarray(autodiff.plain(inputs)) != 0)
        return own if previous_mask is None else own & previous_mask

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        tape = pinned.own_tape()
        if tape is not None:
            return tape.looked_up(self, inputs[0], lambda: self._looked_up(inputs[0]))
        return self._looked_up(inputs[0])

    def _looked_up(self, x: np.ndarray) -> Any:
        """The rows of the weight that x names, and the pullback."""
        rows = self._rows(x)
        E = self.embeddings.array

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            if not (self._trainable and self.embeddings.trainable):
                return (None,), {}
            return (None,), {self.embeddings: _summed_by_row(rows.reshape(-1), dy, E.shape)}

        return E.take(rows, axis=0), pullback

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """The indices in x as integers.

        Raises:
            ValueError: for one that has no row.
        """
        if x.dtype.kind in "iu":
            rows = x.astype(np.intp, copy=False)
            # Seen as unsigned, a negative number is a large one: one comparison finds both.
            fits = rows.size == 0 or rows.view(np.uintp).max() < self.input_dim
        else:
            fits = ((x > -1) & (x < self.input_dim)).all()  # NaN is neither
            rows = x.astype(np.intp) if fits else x
        if not fits:
            self._refuse(x)
        return rows

    def _refuse(self, x: np.ndarray) -> None:
        wrong = ~((x > -1) & (x < self.input_dim))
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        index = x[place].item()
        if not np.isfinite(index):
            hint = "Replace missing values by 0 and give the layer mask_zero=True."
        elif index < 0:
            hint = "Negative numbers do not count from the end; if they stand for padding, write 0 and mask_zero=True."
        else:
            hint = f"Write input_dim={int(x[np.isfinite(x)].max()) + 1} or more if such indices are meant."
        raise ValueError(
            f"Layer '{self.name}' (Embedding) has no vector for index {index}, given at {list(place)}.\n"
            f"    expected: integers from 0 to {self.input_dim - 1} (input_dim={self.input_dim})\n"
            f"    given:    {int(wrong.sum())} of {x.size} outside of that range\n{hint}"
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)


def _summed_by_row(rows: np.ndarray, dy: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """An array of `shape` with each dy[n] added to the row rows[n], in the order of n."""
    n_rows, size = shape
    total = np.zeros(n_rows * size, dy.dtype)
    # On flat arrays `add.at` runs a compiled loop; on rows it is several times slower.
    places = rows.astype(np.intp, copy=False)[:, None] * size + np.arange(size)
    np.add.at(total, places.reshape(-1), dy.reshape(-1))
    return total.reshape(shape)
