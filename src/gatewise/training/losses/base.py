"""Loss objects: values of samples, weighted, masked and reduced to the one number that is minimized."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.config import snake_case, unique_name
from gatewise.serialization import deserialize_object, serialize_object
from gatewise.training.losses.pairs import Pair, floats, same_rank, sum_to
from gatewise.training.scores import Score, score_of

_MEANS = ("sum_over_batch_size", "mean", "auto")
_REDUCTIONS = (*_MEANS, "sum", "none", None, "mean_with_sample_weight")


class Loss:
    """Base class of losses.  A user's subclass defines `call(y_true, y_pred)`: one value a sample, or one number.

    Args:
        name: default from the class.
        reduction: "sum_over_batch_size" (also "mean", and Keras 2's "auto"): the mean over all values; "sum";
            "none" or None: the values themselves; "mean_with_sample_weight": the sum over the sum of the weights.
        dtype: float type of the computation; default that of y_pred.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of "
                f"{', '.join(repr(r) for r in _REDUCTIONS)}; got {reduction!r}."
            )
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.reduction = reduction
        self._dtype = None if dtype is None else np.dtype(getattr(dtype, "compute_dtype", dtype))

    @property
    def dtype(self) -> str | None:
        return None if self._dtype is None else self._dtype.name

    @property
    def mean_score(self) -> Score | None:
        """What the kernels call the loss, where it is a plain mean that they know."""
        return None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample (and time step): what users' subclasses define."""
        raise TypeError(f"{type(self).__name__} computes nothing: give it a method call(self, y_true, y_pred).")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> Any:
        """The reduced loss: a float; an array with reduction "none"; traced inside a user's function."""
        if autodiff.is_traced(y_true, y_pred):
            return self._traced(y_true, y_pred, sample_weight, mask)
        return self.forward(y_true, y_pred, sample_weight, mask)[0]

    def forward(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> Pair:
        """The reduced loss and the way back.

        Args:
            y_true, y_pred: arrays; y_true as the loss wants it.
            sample_weight: weights of the values, of their shape or one that broadcasts to it.
            mask: bool, True = the value counts; a mean is then one over the values that count.
        Returns:
            (value, pullback): a float (an array with reduction "none") and `pullback(d_value=1.0)`, the gradient
            with respect to y_pred in its shape and dtype.
        """
        y_pred = self._cast(y_pred)
        if sample_weight is None and mask is None and self.reduction in _MEANS:
            value, back = self._mean(y_true, y_pred)
            if back is not None:
                return float(value), back
        values, back = self._values(y_true, y_pred)
        mask = self._combine(mask, y_true, y_pred)
        value, spread = reduce_weighted(values, sample_weight, mask, self.reduction)
        value = float(value) if np.ndim(value) == 0 else value
        return value, lambda d_value=1.0: back(spread(d_value))

    def _mean(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """The mean of all values and its pullback where there is a short way, else (None, None)."""
        return None, None

    def _values(self, y_true: Any, y_pred: Any) -> Pair:
        """The values and their pullback; for users' `call`, by automatic differentiation."""
        truth = np.asarray(y_true)
        truth = truth.astype(y_pred.dtype) if truth.dtype.kind == "f" and truth.dtype != y_pred.dtype else truth
        values, back = autodiff.vjp(lambda p: self.call(truth, p), y_pred)
        return values, lambda d: back(d)[0]

    def _combine(self, mask: Any, y_true: Any, y_pred: Any) -> Any:
        """The mask, with what the loss itself leaves out."""
        return mask

    def _cast(self, y_pred: Any) -> np.ndarray:
        y_pred = floats(y_pred)
        return y_pred if self._dtype is None else y_pred.astype(self._dtype, copy=False)

    def _traced(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> Any:
        """The loss as part of an enclosing differentiation."""
        if autodiff.is_traced(y_true):
            if sample_weight is not None or mask is not None or self.reduction not in (*_MEANS, "sum"):
                raise TypeError(f"{type(self).__name__}: y_true has no gradient here. The order is (y_true, y_pred).")
            values = self.call(y_true, y_pred)
            return values.sum() if self.reduction == "sum" else values.sum() / max(values.size, 1)

        def forward(p: Any) -> Pair:
            value, back = self.forward(y_true, p, sample_weight, mask)
            return np.asarray(value, p.dtype), back

        return autodiff.apply(forward, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss made of a function `fn(y_true, y_pred, **options)`: a built-in one, or a user's."""

    _unsaved: tuple[str, ...] | None = None

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn
        self._options = options
        self._native = hasattr(fn, "total") and type(self).call is LossFunctionWrapper.call
        self._score = score_of(fn, options) if self._native else None

    @property
    def mean_score(self) -> Score | None:
        is_own = type(self).forward is Loss.forward and type(self).__call__ is Loss.__call__
        return self._score if is_own and self.reduction in _MEANS and self._dtype is None else None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self._options)

    def _mean(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        found = None if self._score is None else self._score.of(y_true, y_pred, True)
        if found is not None:
            total, count, slope = found
            kind = y_pred.dtype.type
            return kind(total / count), lambda d=1.0: slope if d == 1 else slope * kind(d)
        if not self._native or (self.fn.valid is not None and self._combine(None, y_true, y_pred) is not None):
            return None, None
        return self.fn.total(y_true, y_pred, **self._options)

    def _values(self, y_true: Any, y_pred: Any) -> Pair:
        if self._native:
            return self.fn.forward(y_true, y_pred, **self._options)
        return super()._values(y_true, y_pred)

    def _combine(self, mask: Any, y_true: Any, y_pred: Any) -> Any:
        valid = getattr(self.fn, "valid", None) if self._native else None
        counted = None if valid is None else valid(y_true, y_pred, **self._options)
        if counted is None or mask is None:
            return mask if counted is None else counted
        return np.logical_and(mask, counted)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._unsaved is None:
            return {**config, "fn": serialize_object(self.fn), **serialize_object(self._options)}
        return {**config, **{k: v for k, v in self._options.items() if k not in self._unsaved}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        if isinstance(config.get("fn"), str | dict):
            from gatewise.training import losses

            config = {**config, "fn": losses.deserialize(config["fn"])}
        return cls(**deserialize_object(config) if "fn" not in config else config)


def class_of(
    fn: Callable[..., Any],
    class_name: str,
    name: str | None = None,
    order: tuple[str, ...] = (),
    unsaved: tuple[str, ...] = (),
    **options: Any,
) -> type[LossFunctionWrapper]:
    """The class of a loss function: its options, then reduction, name and dtype are its arguments.

    Args:
        fn: the loss function.
        class_name: the public name.
        name: default name of the objects; default that of `fn`.
        order: the order of the arguments where it is not the usual one.
        unsaved: options that Keras leaves out of the configuration; written only where they are not the default.
        options: the options of `fn` with their defaults.
    """
    defaults = {**options, "reduction": "sum_over_batch_size", "name": name or fn.__name__, "dtype": None}
    order = order or tuple(defaults)
    signature = inspect.Signature(
        [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[p]) for p in order]
    )

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{class_name}{signature}: {error}.") from None
        arguments = {**defaults, **given.arguments}
        LossFunctionWrapper.__init__(self, fn, **arguments)
        for option in options:
            setattr(self, option, arguments[option])
        self._unsaved = tuple(option for option in unsaved if arguments[option] == options[option])

    body = {
        "__init__": __init__,
        "__doc__": f"The loss {fn.__name__}: {inspect.getdoc(fn)}",
        "__module__": "gatewise.training.losses",
        "__signature__": signature,
        "from_config": classmethod(lambda cls, config: cls(**config)),
        "_unsaved": (),
    }
    return type(class_name, (LossFunctionWrapper,), body)


def reduce_weighted(
    values: Any, sample_weight: Any, mask: Any, reduction: str | None
) -> tuple[Any, Callable[[Any], Any]]:
    """Weigh and reduce the values of a loss.

    Returns:
        (result, spread): `spread(d_result)` is the gradient with respect to `values`, in their shape.
    """
    values = np.asarray(values)
    weights = _weights(values.dtype, sample_weight, mask, reduction)
    shape = values.shape
    product = values
    if weights is not None:
        given = values
        given, weights = same_rank(given, weights)
        if not _broadcasts(weights.shape, given.shape):
            raise ValueError(
                f"sample_weight (or mask) of shape {weights.shape} does not fit losses of shape {shape}: give one "
                f"weight for each, or sample_weight[:, None] of shape ({shape[0]}, 1) for one a sample."
            )
        product = given * weights
    dtype = values.dtype
    if reduction in ("none", None) or product.ndim == 0 or product.shape == (0,):
        scale, result = dtype.type(1), product
    else:
        divisor: Any = product.size
        if reduction == "sum":
            divisor = 1
        elif reduction == "mean_with_sample_weight" and weights is not None:
            divisor = np.sum(weights)
        scale = dtype.type(1 / divisor if divisor else 0)
        result = np.add.reduce(product, axis=None) * scale

    def spread(d: Any) -> Any:
        d = np.asarray(d, dtype) * scale
        return sum_to(np.broadcast_to(d if weights is None else d * weights, product.shape), shape)

    return result, spread


def _broadcasts(weights: tuple[int, ...], values: tuple[int, ...]) -> bool:
    """Whether weights of that shape fit: axis by axis the same size, or 1; any fit a loss that is one number."""
    return (
        values == ()
        or len(weights) <= 1
        and weights in ((), (1,))
        or (len(weights) == len(values) and all(w in (1, v) for w, v in zip(weights, values, strict=True)))
    )


def _weights(dtype: Any, sample_weight: Any, mask: Any, reduction: str | None) -> Any:
    """Mask and weights in one array of the values' float type; a mean is scaled to one over what is not masked."""
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype)
    if mask is None:
        return weights
    mask = np.asarray(mask, bool)
    kept = mask.astype(dtype)
    if reduction in _MEANS:
        valid = np.count_nonzero(mask)
        kept *= mask.size / valid if valid else 0
    if weights is None:
        return kept
    kept, weights = same_rank(kept, weights)
    if kept.ndim != weights.ndim:
        raise ValueError(
            f"sample_weight of shape {weights.shape} beside a mask of shape {mask.shape}: give one weight for each "
            f"step, shape {mask.shape}, or sample_weight[:, None] for one a sample."
        )
    return kept * weights
