"""fit_generator, evaluate_generator and predict_generator: what Keras 1 and 2 called fit, evaluate and predict."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

from gatewise.training.data import check_count
from gatewise.training.finite import levels_to_user

_QUEUES = ("max_queue_size", "workers", "use_multiprocessing", "max_q_size", "nb_worker", "pickle_safe")
"""How batches were made ahead; accepted, without effect: a `PyDataset` says so itself."""


class GeneratorMethods:
    """The methods of Keras 1 and 2 for batches from a generator.  They need `fit`, `evaluate` and `predict`."""

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
        **keras1: Any,
    ) -> Any:
        """`fit` on batches; with Keras 1's arguments `samples_per_epoch`, `nb_epoch` and `nb_val_samples` as well.

        Numbers of samples are turned into numbers of batches by the size of the first batch.

        Returns:
            the `History`.
        """
        _warn_once("fit_generator", "fit(x=generator, steps_per_epoch=..., epochs=...)")
        epochs = keras1.pop("nb_epoch", epochs)
        samples, validation_samples = keras1.pop("samples_per_epoch", None), keras1.pop("nb_val_samples", None)
        _refuse_unknown("fit_generator", keras1)
        if samples is not None:
            generator, steps_per_epoch = _in_batches(generator, samples, "samples_per_epoch")
        _require_steps("fit_generator", generator, steps_per_epoch, "steps_per_epoch")
        if validation_samples is not None and not isinstance(validation_data, list | tuple):
            validation_data, validation_steps = _in_batches(validation_data, validation_samples, "nb_val_samples")
        return self.fit(  # type: ignore[attr-defined]
            generator, epochs=epochs, verbose=verbose, callbacks=callbacks, validation_data=validation_data,
            shuffle=shuffle, class_weight=class_weight, initial_epoch=initial_epoch, steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps, validation_freq=validation_freq,
        )  # fmt: skip

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
        **keras1: Any,
    ) -> Any:
        """`evaluate` on batches; with Keras 1's `val_samples` as well."""
        _warn_once("evaluate_generator", "evaluate(generator, steps=...)")
        generator, steps = _steps_of_keras1("evaluate_generator", generator, steps, keras1)
        return self.evaluate(generator, verbose=verbose, steps=steps, callbacks=callbacks)  # type: ignore[attr-defined]

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
        **keras1: Any,
    ) -> Any:
        """`predict` on batches; with Keras 1's `val_samples` as well."""
        _warn_once("predict_generator", "predict(generator, steps=...)")
        generator, steps = _steps_of_keras1("predict_generator", generator, steps, keras1)
        return self.predict(generator, verbose=verbose, steps=steps, callbacks=callbacks)  # type: ignore[attr-defined]


def _warn_once(name: str, modern: str) -> None:
    warnings.warn(f"{name} is of Keras 1 and 2; write model.{modern}.", DeprecationWarning, stacklevel=levels_to_user())


def _refuse_unknown(method: str, keras1: dict[str, Any]) -> None:
    unknown = [name for name in keras1 if name not in _QUEUES]
    if unknown:
        raise TypeError(f"{method}() has no argument {', '.join(map(repr, unknown))}.")


def _steps_of_keras1(method: str, generator: Any, steps: int | None, keras1: dict[str, Any]) -> tuple[Any, int | None]:
    samples = keras1.pop("val_samples", None)
    _refuse_unknown(method, keras1)
    if samples is not None:
        return _in_batches(generator, samples, "val_samples")
    _require_steps(method, generator, steps, "steps")
    return generator, steps


def _require_steps(method: str, generator: Any, steps: int | None, argument: str) -> None:
    """Raise ValueError, as Keras 2, for a generator without steps: those that scripts of its time give never end."""
    if steps is None and hasattr(generator, "__next__") and not hasattr(generator, "__len__"):
        raise ValueError(
            f"{method}() needs {argument}=... for a generator, as in Keras 2: it cannot know whether the generator "
            f"ends. For one that does, write {method.removesuffix('_generator')}(generator)."
        )


def _in_batches(generator: Any, samples: int, argument: str) -> tuple[Any, int | None]:
    """The generator, and how many of its batches hold so many samples, by the size of the first."""
    check_count(samples, argument)
    if hasattr(generator, "__next__"):
        first = next(generator, None)
        if first is None:
            return generator, None
        generator = itertools.chain([first], generator)
    else:
        first = next(iter(generator)) if hasattr(generator, "__iter__") else generator[0]
    x = first[0] if isinstance(first, list | tuple) else first
    while isinstance(x, list | tuple | dict):
        x = next(iter(x.values())) if isinstance(x, dict) else x[0]
    return generator, math.ceil(samples / len(x))
