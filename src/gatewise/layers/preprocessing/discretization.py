"""Discretization: numbers as the bins they fall into, with boundaries given or learnt from data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.preprocessing import encoding

_MODES = ("int", *encoding.ENCODINGS)


class Discretization(Layer):
    """Replaces each number by the index of its bin: bin k goes from boundary k-1 (included) to boundary k (not).

    Args:
        bin_boundaries: the boundaries in increasing order; b of them make b + 1 bins.
        num_bins: how many bins `adapt(data)` shall make, with about as many data in each; instead of boundaries.
        epsilon: how exact the quantiles are from which `adapt` takes the boundaries; smaller is more exact.
        output_mode: "int": indices, int32; or "one_hot", "multi_hot", "count": vectors as of `CategoryEncoding`.
        sparse: must be False.

    Input (...); output (...), or with vectors as of `CategoryEncoding`.
    """

    not_in_config = (*Layer.not_in_config, "trainable")

    @property
    def stepwise(self) -> bool:
        """Whether each number is replaced by itself, and no axis is taken away."""
        return self.output_mode == "int"

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, name=name, **kwargs)
        cls = type(self).__name__
        if (num_bins is None) == (bin_boundaries is None):
            both = "both" if num_bins is not None else "neither"
            raise ValueError(f"{cls} takes either `bin_boundaries` or `num_bins`; {both} is set.")
        encoding.refuse_sparse(sparse, cls)
        self.num_bins = None if num_bins is None else validation.positive_integer(num_bins, "num_bins", cls)
        self.epsilon = validation.fraction(epsilon, "epsilon", cls)
        if not self.epsilon:
            raise ValueError(
                f"{cls}: epsilon must be above 0: exact quantiles would need all data. Write epsilon=0.001."
            )
        self.output_mode = encoding.output_mode(output_mode, _MODES, cls)
        self.sparse = False
        self.bin_boundaries = None if bin_boundaries is None else self._checked(bin_boundaries)
        self._summary = np.zeros((2, 0), "float32")
        self.built = True

    def _checked(self, boundaries: Sequence[float]) -> list[float]:
        """Raise ValueError unless the boundaries increase."""
        found = [float(b) for b in np.asarray(boundaries, "float64").reshape(-1)]
        if any(not a <= b for a, b in zip(found, found[1:], strict=False)) or not np.isfinite(found).all():
            raise ValueError(f"{type(self).__name__}: bin_boundaries must be numbers in increasing order; got {found}.")
        return found

    # --- learning the boundaries -----------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the boundaries: quantiles of the data.

        Args:
            data: an array, or an iterable of arrays.
            steps: how many items to take of an iterable; default all.

        Raises:
            ValueError: if the boundaries were given, or there are no data.
        """
        if self.num_bins is None:
            raise ValueError(
                f"Layer '{self.name}' (Discretization) was given its bin_boundaries; give num_bins instead to learn "
                "them."
            )
        self.reset_state()
        batches = [data] if hasattr(data, "__array__") else data
        for k, batch in enumerate(batches):
            if steps is not None and k >= steps:
                break
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch of data into account."""
        values = np.asarray(data, "float32").reshape(-1)
        if not np.isfinite(values).all():
            raise ValueError(f"Layer '{self.name}' (Discretization): the data to adapt to hold NaN or infinity.")
        if values.size:
            merged = np.concatenate([_summarized(values, self.epsilon), self._summary], axis=1)
            self._summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Make the boundaries of what was seen."""
        if self.num_bins is None:
            return
        if not self._summary.shape[1]:
            raise ValueError(f"Layer '{self.name}' (Discretization): there were no data to adapt to.")
        self.bin_boundaries = _compressed(self._summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forget the data seen."""
        self._summary = np.zeros((2, 0), "float32")

    # --- the layer -------------------------------------------------------------------------------------------

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        if self.bin_boundaries is None:
            raise ValueError(
                f"Layer '{self.name}' (Discretization) has no boundaries yet: call adapt(data), or give bin_boundaries."
            )
        bins = np.searchsorted(np.asarray(self.bin_boundaries, self.dtype), x, side="right").astype("int32")
        if self.output_mode != "int":
            bins = encoding.encoded(bins, self.output_mode, len(self.bin_boundaries) + 1, self.dtype)
        return bins, encoding.without_gradient(x)

    @property
    def _depth(self) -> int | None:
        return self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.output_mode == "int":
            return tuple(input_shape)
        return encoding.encoded_shape(input_shape, self.output_mode, self._depth)

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        shape = self.compute_output_shape(leaves[0].shape)
        return SymbolicTensor(shape, "int32" if self.output_mode == "int" else self.dtype)

    def get_config(self) -> dict[str, Any]:
        names = ("bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse", "name", "dtype")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        learnt = config.pop("bin_boundaries", None) if config.get("num_bins") is not None else None
        layer = cls(**config)
        if learnt is not None:
            layer.bin_boundaries = layer._checked(learnt)
        return layer

    def load_own_variables(self, store: Any) -> None:
        """Older files hold what `adapt` had seen; the boundaries are in the configuration."""
        if len(store) == 1:
            self._summary = np.asarray(store["0"], "float32")


def _summarized(values: np.ndarray, epsilon: float) -> np.ndarray:
    """At most about 1 / epsilon of the sorted values, and how many values each stands for, (2, n)."""
    step = max(values.size / (1.0 / epsilon), 1)
    kept = np.sort(values)[int(step - 1) :: int(step)]
    return np.stack([kept, np.full_like(kept, step)])


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary with an entry for each `epsilon` of the weight, by linear interpolation."""
    if summary.shape[1] * epsilon < 1:
        return summary
    wanted = epsilon + np.arange(0.0, 1.0, epsilon)
    total = summary[1].cumsum()
    share = total / total[-1]
    weights = np.diff(np.interp(wanted, share, total), prepend=0)
    return np.stack([np.interp(wanted, share, summary[0]), weights]).astype("float32")
