"""Losses: Keras's, as functions, as classes and by name, and a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewise.serialization import Registry
from gatewise.training.losses.base import Loss, LossFunctionWrapper, class_of, reduce_weighted
from gatewise.training.losses.crossentropy import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from gatewise.training.losses.ctc import CTC, ctc
from gatewise.training.losses.margin import categorical_hinge, circle, hinge, squared_hinge
from gatewise.training.losses.overlap import dice, tversky
from gatewise.training.losses.regression import (
    cosine_similarity,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from gatewise.training.losses.targets import check_targets, judges_values

_registry = Registry("keras.losses", "loss")

# A loss is one function (in regression.py, crossentropy.py, margin.py, overlap.py) and one line here: the class.
MeanSquaredError = class_of(mean_squared_error, "MeanSquaredError")
MeanAbsoluteError = class_of(mean_absolute_error, "MeanAbsoluteError")
MeanAbsolutePercentageError = class_of(mean_absolute_percentage_error, "MeanAbsolutePercentageError")
MeanSquaredLogarithmicError = class_of(mean_squared_logarithmic_error, "MeanSquaredLogarithmicError")
LogCosh = class_of(log_cosh, "LogCosh")
Huber = class_of(huber, "Huber", name="huber_loss", unsaved=("delta",), delta=1.0)
Poisson = class_of(poisson, "Poisson")
KLDivergence = class_of(kl_divergence, "KLDivergence")
CosineSimilarity = class_of(cosine_similarity, "CosineSimilarity", unsaved=("axis",), axis=-1)
BinaryCrossentropy = class_of(
    binary_crossentropy, "BinaryCrossentropy", from_logits=False, label_smoothing=0.0, axis=-1
)
BinaryFocalCrossentropy = class_of(
    binary_focal_crossentropy,
    "BinaryFocalCrossentropy",
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
)
CategoricalCrossentropy = class_of(
    categorical_crossentropy, "CategoricalCrossentropy", from_logits=False, label_smoothing=0.0, axis=-1
)
CategoricalFocalCrossentropy = class_of(
    categorical_focal_crossentropy,
    "CategoricalFocalCrossentropy",
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
)
SparseCategoricalCrossentropy = class_of(
    sparse_categorical_crossentropy,
    "SparseCategoricalCrossentropy",
    order=("from_logits", "ignore_class", "reduction", "axis", "name", "dtype"),
    unsaved=("axis",),
    from_logits=False,
    ignore_class=None,
    axis=-1,
)
CategoricalGeneralizedCrossEntropy = class_of(
    categorical_generalized_cross_entropy, "CategoricalGeneralizedCrossEntropy", q=0.5
)
Hinge = class_of(hinge, "Hinge")
SquaredHinge = class_of(squared_hinge, "SquaredHinge")
CategoricalHinge = class_of(categorical_hinge, "CategoricalHinge")
Circle = class_of(circle, "Circle", order=("gamma", "margin", "remove_diagonal", "reduction", "name", "dtype"),
                  gamma=80.0, margin=0.4, remove_diagonal=True)  # fmt: skip
Dice = class_of(dice, "Dice", order=("reduction", "name", "axis", "dtype"), axis=None)
Tversky = class_of(
    tversky, "Tversky", order=("alpha", "beta", "reduction", "name", "axis", "dtype"), alpha=0.5, beta=0.5, axis=None
)

_CLASSES = (
    Loss, LossFunctionWrapper, MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError, LogCosh, Huber, Poisson, KLDivergence, CosineSimilarity, BinaryCrossentropy,
    BinaryFocalCrossentropy, CategoricalCrossentropy, CategoricalFocalCrossentropy, SparseCategoricalCrossentropy,
    CategoricalGeneralizedCrossEntropy, Hinge, SquaredHinge, CategoricalHinge, Circle, Dice, Tversky, CTC,
)  # fmt: skip
_FUNCTIONS: dict[Any, tuple[str, ...]] = {
    mean_squared_error: ("mse", "MSE"),
    mean_absolute_error: ("mae", "MAE"),
    mean_absolute_percentage_error: ("mape", "MAPE"),
    mean_squared_logarithmic_error: ("msle", "MSLE"),
    log_cosh: ("logcosh",),
    huber: (),
    poisson: (),
    kl_divergence: ("kld", "KLD", "kullback_leibler_divergence"),
    cosine_similarity: (),
    binary_crossentropy: ("bce", "BCE"),
    binary_focal_crossentropy: (),
    categorical_crossentropy: (),
    categorical_focal_crossentropy: (),
    sparse_categorical_crossentropy: (),
    categorical_generalized_cross_entropy: (),
    hinge: (),
    squared_hinge: (),
    categorical_hinge: (),
    circle: (),
    dice: (),
    tversky: (),
    ctc: (),
}
for _function, _aliases in _FUNCTIONS.items():
    _registry.add(*_aliases)(_function)
for _class in _CLASSES:
    _registry.add()(_class)

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh


def get(identifier: Any) -> Any:
    """None, a name, a configuration, a class or a callable -> a Loss object or a loss function.

    Raises:
        ValueError: unknown loss, with the nearest name.
    """
    return _registry.get(identifier)


def as_loss(identifier: Any) -> Loss | None:
    """Anything that `get` takes -> a Loss object: what the trainer works with."""
    found = get(identifier)
    if found is ctc:
        return CTC()  # which knows what to do with a mask of steps
    return found if found is None or isinstance(found, Loss) else LossFunctionWrapper(found)


def serialize(loss: Any) -> Any:
    """Keras 3's configuration of a loss."""
    return _registry.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a name or configuration stands for."""
    return _registry.deserialize(name, custom_objects)


__all__ = [
    "BCE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CTC",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLD",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "as_loss",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "check_targets",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "judges_values",
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
    "poisson",
    "reduce_weighted",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
