"""Metrics: numbers that are gathered batch by batch and do not take part in training.

A metric has `update_state(y_true, y_pred, sample_weight=None)`, `result()` and `reset_state()`.  Sums are kept in
float64 whatever the metric's dtype, so that a long epoch loses nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import autodiff, config, initializers, tree
from gatewise.serialization import deserialize_object, serialize_object
from gatewise.training.losses.pairs import same_rank
from gatewise.training.metrics.pairing import check_of, direction_of
from gatewise.training.metrics.shapes import called
from gatewise.training.scores import score_of
from gatewise.variable import Variable, on_trial, structure_clock


class Metric:
    """Base class of metrics.  A user's defines update_state and result, and makes its sums with add_variable.

    Args:
        dtype: float type, in the configuration; default `config.floatx()`.
        name: default the class's name in snake case.
    """

    _direction: str | None = None
    """"up" where more is better, "down" where less is: what callbacks take for mode="auto"."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update_state" in vars(cls):
            cls.update_state = _of_plain_values(vars(cls)["update_state"])

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or config.unique_name(config.snake_case(type(self).__name__))
        self._dtype = np.dtype(getattr(dtype, "compute_dtype", dtype) or config.floatx())
        self._variables: list[Variable] = []
        structure_clock.tick()  # a layer may be about to hold it

    @property
    def dtype(self) -> str:
        return self._dtype.name

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Count a batch: update_state(y_true, y_pred, sample_weight=None)."""
        raise TypeError(f"{type(self).__name__} counts nothing: give it a method update_state(y_true, y_pred, ...).")

    def result(self) -> Any:
        """The metric of all batches since the last reset."""
        raise TypeError(f"{type(self).__name__} has no result: give it a method result().")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape))

    def reset_states(self) -> None:
        """Keras 2's name of reset_state."""
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.update_state(*args, **kwargs)
        return self.result()

    def add_variable(
        self, shape: Any = (), initializer: Any = "zeros", dtype: Any = None, name: str | None = None, **_: Any
    ) -> Variable:
        """A sum of the metric: a variable that reset_state sets to zero."""
        if isinstance(shape, str):  # Keras 2: add_weight(name, shape, ...)
            name, shape = shape, ()
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        path = f"{self.name}/{name or 'variable'}"
        made = Variable(
            initializers.get(initializer), sizes, dtype or self._dtype, trainable=False, name=name, path=path
        )
        self._variables.append(made)
        return made

    add_weight = add_variable

    @property
    def variables(self) -> list[Variable]:
        """The metric's variables, those of metrics held in attributes included."""
        nested = [v for item in vars(self).values() if isinstance(item, Metric) for v in item.variables]
        return [*self._variables, *nested]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _of_plain_values(update_state: Callable[..., Any]) -> Callable[..., Any]:
    """A class's `update_state` that may be called in the `call` of a layer: while that is traced, and on trial."""

    @functools.wraps(update_state)
    def update(self: Metric, *args: Any, **kwargs: Any) -> Any:
        if on_trial():
            return None
        if autodiff.is_traced(*args, *kwargs.values()):
            args, kwargs = tree.map_leaves(autodiff.plain, args), tree.map_leaves(autodiff.plain, kwargs)
        return update_state(self, *args, **kwargs)

    return update


def samplewise(metric: Metric, values: Any, sample_weight: Any, reduce: Callable[..., Any]) -> tuple[Any, Any]:
    """One value and one weight a sample, as Keras reduces them.

    Args:
        metric: whose values they are, for the message.
        values: any shape, batch axis first.   sample_weight: of a shape that fits, or None.
        reduce: np.mean or np.sum, over the axes that are not samples.
    """
    values = np.asarray(values, np.float64)
    if sample_weight is not None:
        weight = np.asarray(sample_weight, np.float64)
        values, weight = same_rank(values, weight)
        if values.ndim > weight.ndim:
            values = reduce(values, axis=tuple(range(weight.ndim, values.ndim)))
        try:
            weight = np.broadcast_to(weight, values.shape)
        except ValueError:
            if values.ndim == 0:
                raise ValueError(
                    f"{called(metric)} gave one number for a whole batch. Under sample weights or a mask it must give "
                    "one for each sample (or step): leave out the mean."
                ) from None
            raise ValueError(
                f"{called(metric)}: sample_weight of shape {np.shape(sample_weight)} does not fit values of shape "
                f"{values.shape}."
            ) from None
        values = values * weight
        sample_weight = reduce(weight, axis=tuple(range(1, weight.ndim))) if weight.ndim > 1 else weight
    if values.ndim > 1:
        values = reduce(values, axis=tuple(range(1, values.ndim)))
    return values, sample_weight


class Mean(Metric):
    """The mean of the values given, weighted where weights are given."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), dtype="float64", name="total")
        self.count = self.add_variable((), dtype="float64", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        if isinstance(values, float) and (sample_weight is None or isinstance(sample_weight, int | float)):
            weight = 1.0 if sample_weight is None else sample_weight
            self.add(values * weight, weight)
            return
        if sample_weight is None:
            # The sum of the samples' means, each of the same number of values.
            values = np.asarray(values, np.float64)
            count = values.shape[0] if values.ndim else 1
            self.add(np.add.reduce(values, axis=None) / (values.size // count if values.size else 1), count)
            return
        values, weight = samplewise(self, values, sample_weight, np.mean)
        self.add(np.add.reduce(values, axis=None), np.add.reduce(weight, axis=None))

    def add(self, total: Any, count: Any) -> None:
        """Count a sum of `count` values."""
        self.total.array[()] += total
        self.count.array[()] += count

    def reset_state(self) -> None:
        self.total.array[...] = 0
        self.count.array[...] = 0

    def result(self) -> Any:
        count = float(self.count.array)
        return float(self.total.array) / count if count else 0.0


class Sum(Metric):
    """The sum of the values given, each times its weight."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), dtype="float64", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        self.total.array[...] += np.sum(samplewise(self, values, sample_weight, np.sum)[0])

    def result(self) -> Any:
        return float(self.total.array)


class MeanMetricWrapper(Mean):
    """The mean of a function `fn(y_true, y_pred, **options)` of each sample: a built-in one, or a user's."""

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **options: Any) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self._fn = fn
        self._options = options
        self._check = check_of(fn)
        self._direction = direction_of(fn)
        cls = type(self)
        is_own = cls.update_state is MeanMetricWrapper.update_state and cls.add is Mean.add
        self._score = score_of(fn, options) if is_own else None
        is_plain = is_own and cls.result is Mean.result and cls.reset_state is Mean.reset_state
        self.mean_score = self._score if is_plain else None
        """What the kernels call the function, where the metric is the mean of it and nothing else."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Count a batch; steps where `mask` is False do not count.

        Raises:
            ValueError: where a built-in function is given shapes that do not belong together.
        """
        if self._check is not None and self._options.get("axis", -1) == -1:
            self._check(self, np.shape(y_true), np.shape(y_pred))
        if self._score is not None and sample_weight is None and mask is None and np.ndim(y_pred) > 1:
            found = self._score.of(y_true, y_pred)
            if found is not None:
                self.add(found[0] / (found[1] / len(y_pred)), len(y_pred))
                return
        values = self._fn(y_true, y_pred, **self._options)
        valid = getattr(self._fn, "valid", None)
        counted = None if valid is None else valid(y_true, y_pred, **self._options)
        super().update_state(values, masked_weight(masked_weight(sample_weight, mask), counted))

    def get_config(self) -> dict[str, Any]:
        found = super().get_config()
        if type(self) is MeanMetricWrapper:
            return {**found, "fn": serialize_object(self._fn), **serialize_object(self._options)}
        return {**found, **self._options}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        if isinstance(config.get("fn"), str | dict):
            from gatewise.training import metrics

            config = {**deserialize_object({k: v for k, v in config.items() if k != "fn"}), "fn": config["fn"]}
            config["fn"] = metrics.deserialize(config["fn"])
        return cls(**config)


def masked_weight(sample_weight: Any, mask: Any) -> Any:
    """Weights with those of masked steps set to zero."""
    if mask is None:
        return sample_weight
    kept = np.asarray(mask, np.float64)
    if sample_weight is None:
        return kept
    kept, weight = same_rank(kept, np.asarray(sample_weight, np.float64))
    return kept * weight
