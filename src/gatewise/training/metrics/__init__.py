"""Metrics: Keras's, as classes, functions and by name, and a user's own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.serialization import Registry
from gatewise.training.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from gatewise.training.losses.pairs import same_rank
from gatewise.training.metrics.accuracy import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from gatewise.training.metrics.auc import AUC
from gatewise.training.metrics.base import Mean, MeanMetricWrapper, Metric, Sum, masked_weight
from gatewise.training.metrics.correlation import concordance_correlation, cosine_similarity, pearson_correlation
from gatewise.training.metrics.decisions import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from gatewise.training.metrics.f_score import F1Score, FBetaScore
from gatewise.training.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from gatewise.training.metrics.pairing import check_elements
from gatewise.training.metrics.r2 import R2Score
from gatewise.training.metrics.shapes import called

_registry = Registry("keras.metrics", "metric")


def _mean_of(
    fn: Callable[..., Any],
    class_name: str,
    name: str | None = None,
    order: Sequence[str] = (),
    unsaved: Sequence[str] = (),
    **options: Any,
) -> type[MeanMetricWrapper]:
    """The class of the mean of a function: name and dtype, then its options, are its arguments.

    `order`: the arguments in another order.  `unsaved`: options left out of the configuration at their default.
    """
    defaults = {"name": name or fn.__name__, "dtype": None, **options}
    signature = inspect.Signature(
        [
            inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[p])
            for p in (order or defaults)
        ]
    )

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{class_name}{signature}: {error}.") from None
        MeanMetricWrapper.__init__(self, fn, **{**defaults, **given.arguments})

    def get_config(self: Any) -> dict[str, Any]:
        found = MeanMetricWrapper.get_config(self)
        return {k: v for k, v in found.items() if not (k in unsaved and v == options[k])}

    body = {
        "__init__": __init__,
        "get_config": get_config,
        "__doc__": f"The mean of {fn.__name__}: {inspect.getdoc(fn)}",
        "__module__": __name__,
        "__signature__": signature,
    }
    return type(class_name, (MeanMetricWrapper,), body)


class RootMeanSquaredError(Mean):
    """sqrt(mean((y_pred - y_true)^2)), the mean over everything gathered."""

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        check_elements(self, np.shape(y_true), np.shape(y_pred))
        y_true, y_pred = same_rank(np.asarray(y_true), np.asarray(y_pred))
        super().update_state(np.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return super().result() ** 0.5


Accuracy = _mean_of(accuracy, "Accuracy")
BinaryAccuracy = _mean_of(binary_accuracy, "BinaryAccuracy", threshold=0.5)
CategoricalAccuracy = _mean_of(categorical_accuracy, "CategoricalAccuracy")
SparseCategoricalAccuracy = _mean_of(sparse_categorical_accuracy, "SparseCategoricalAccuracy")
TopKCategoricalAccuracy = _mean_of(
    top_k_categorical_accuracy, "TopKCategoricalAccuracy", order=("k", "name", "dtype"), k=5
)
SparseTopKCategoricalAccuracy = _mean_of(
    sparse_top_k_categorical_accuracy,
    "SparseTopKCategoricalAccuracy",
    order=("k", "name", "dtype", "from_sorted_ids"),
    unsaved=("from_sorted_ids",),
    k=5,
    from_sorted_ids=False,
)
MeanSquaredError = _mean_of(mean_squared_error, "MeanSquaredError")
MeanAbsoluteError = _mean_of(mean_absolute_error, "MeanAbsoluteError")
MeanAbsolutePercentageError = _mean_of(mean_absolute_percentage_error, "MeanAbsolutePercentageError")
MeanSquaredLogarithmicError = _mean_of(mean_squared_logarithmic_error, "MeanSquaredLogarithmicError")
LogCoshError = _mean_of(log_cosh, "LogCoshError", name="logcosh")
CosineSimilarity = _mean_of(cosine_similarity, "CosineSimilarity", unsaved=("axis",), axis=-1)
PearsonCorrelation = _mean_of(pearson_correlation, "PearsonCorrelation", axis=-1)
ConcordanceCorrelation = _mean_of(concordance_correlation, "ConcordanceCorrelation", axis=-1)
Poisson = _mean_of(poisson, "Poisson")
KLDivergence = _mean_of(kl_divergence, "KLDivergence")
Hinge = _mean_of(hinge, "Hinge")
SquaredHinge = _mean_of(squared_hinge, "SquaredHinge")
CategoricalHinge = _mean_of(categorical_hinge, "CategoricalHinge")
BinaryCrossentropy = _mean_of(binary_crossentropy, "BinaryCrossentropy", from_logits=False, label_smoothing=0)
CategoricalCrossentropy = _mean_of(
    categorical_crossentropy, "CategoricalCrossentropy", from_logits=False, label_smoothing=0, axis=-1
)
SparseCategoricalCrossentropy = _mean_of(
    sparse_categorical_crossentropy, "SparseCategoricalCrossentropy", from_logits=False, ignore_class=None, axis=-1
)

_CLASSES = (
    Metric, Mean, Sum, MeanMetricWrapper, Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
    TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy, MeanSquaredError, RootMeanSquaredError,
    MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredLogarithmicError, LogCoshError, CosineSimilarity,
    Poisson, KLDivergence, Hinge, SquaredHinge, CategoricalHinge, BinaryCrossentropy, CategoricalCrossentropy,
    SparseCategoricalCrossentropy, PearsonCorrelation, ConcordanceCorrelation, R2Score, F1Score, FBetaScore, AUC,
    Precision, Recall, TruePositives, TrueNegatives, FalsePositives, FalseNegatives, SensitivityAtSpecificity,
    SpecificityAtSensitivity, PrecisionAtRecall, RecallAtPrecision, IoU, BinaryIoU, MeanIoU, OneHotIoU, OneHotMeanIoU,
)  # fmt: skip
for _class in _CLASSES:
    _registry.add()(_class)
for _item, _names in {
    MeanSquaredError: ("mse", "MSE"),
    MeanAbsoluteError: ("mae", "MAE"),
    MeanAbsolutePercentageError: ("mape", "MAPE"),
    MeanSquaredLogarithmicError: ("msle", "MSLE"),
    RootMeanSquaredError: ("rmse", "RMSE"),
    BinaryCrossentropy: ("bce", "BCE"),
    KLDivergence: ("kld", "KLD", "kullback_leibler_divergence", "kl_divergence"),
    LogCoshError: ("logcosh", "log_cosh"),
}.items():
    _registry.alias(_item, *_names)
for _function in (
    accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy, top_k_categorical_accuracy,
    sparse_top_k_categorical_accuracy, cosine_similarity, pearson_correlation, concordance_correlation,
):  # fmt: skip
    _registry.add()(_function)

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh


def get(identifier: Any) -> Any:
    """None, a name, a configuration, a class or a callable -> a Metric or a function.

    Raises:
        ValueError: unknown metric, with the nearest name.
    """
    if isinstance(identifier, Metric):
        return identifier
    return _registry.get(identifier)


def resolve(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Metric:
    """The Metric object that compile's `metrics=[...]` means for an output.

    "accuracy" and "acc" are the accuracy that suits the shapes: binary for one output, sparse for integer classes,
    else categorical.  The metric bears the name that the user wrote.

    Args:
        identifier: a name, a function, a configuration or a Metric.
        y_true_shape, y_pred_shape: shapes of a batch of targets and of predictions.
    """
    if isinstance(identifier, str) and identifier.lower() in ACCURACY_BY_SHAPE:
        suitable = ACCURACY_OF[kind_for(y_true_shape, y_pred_shape)]
        return suitable(name=identifier)
    found = get(identifier)
    if found is None:
        raise ValueError("metrics holds None; write a name, a function or a Metric.")
    if not isinstance(found, Metric):
        found = MeanMetricWrapper(found)
    if isinstance(identifier, str):
        found.name = identifier
    return found


ACCURACY_BY_SHAPE = ("accuracy", "acc")
ACCURACY_OF: dict[str, Any] = {
    "binary": BinaryAccuracy, "sparse_categorical": SparseCategoricalAccuracy, "categorical": CategoricalAccuracy,
}  # fmt: skip


def kind_for(y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> str:
    """What targets and predictions of these shapes mean: "binary", "sparse_categorical" or "categorical"."""
    if y_pred_shape and y_pred_shape[-1] == 1:
        return "binary"
    if len(y_true_shape) < len(y_pred_shape) or (y_true_shape and y_true_shape[-1] == 1):
        return "sparse_categorical"
    return "categorical"


def update(metric: Metric, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> None:
    """Count a batch into any metric, a user's included; steps where `mask` is False do not count.

    Raises:
        TypeError: under weights or a mask, if update_state takes no sample_weight.
    """
    weight = masked_weight(sample_weight, mask)
    if weight is None:
        metric.update_state(y_true, y_pred)
        return
    if not _takes_weights(type(metric)):
        told = "sample weights" if mask is None else "a mask (of padded steps)"
        raise TypeError(
            f"{called(metric)}: there are {told}, which come as sample_weight, and its update_state takes none. Write "
            "update_state(self, y_true, y_pred, sample_weight=None)"
            f"{', or list it in metrics, not in weighted_metrics' if mask is None else ''}."
        )
    metric.update_state(y_true, y_pred, sample_weight=weight)


@functools.cache
def _takes_weights(cls: type) -> bool:
    parameters = inspect.signature(cls.update_state).parameters  # type: ignore[attr-defined]
    return "sample_weight" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def serialize(metric: Any) -> Any:
    """Keras 3's configuration of a metric."""
    return _registry.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric that a name or configuration stands for."""
    return _registry.deserialize(config, custom_objects)


__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLD",
    "KLDivergence",
    "LogCoshError",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "accuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "pearson_correlation",
    "poisson",
    "resolve",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
    "update",
]
