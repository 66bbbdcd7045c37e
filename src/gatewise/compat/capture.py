"""Finding the models that a script builds, without waiting for it to train them.

The script runs as usual, but each fit, evaluate and predict sees one sample (or one batch, where the model fixes its
size) for one step: enough to build every model and to give back what the script expects to get.  Nothing is saved.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.compat.runner import run_script
from gatewise.layer import Layer
from gatewise.model import Model
from gatewise.training.sources.iterable_batches import is_iterable_of_batches


@dataclass(frozen=True)
class Captured:
    """What a script built.

    Attributes:
        models: the built models that are not inside another, in the order of their making.
        unbuilt: names of models whose input shape never became known.
        error: what the script raised, or None.
    """

    models: list[Model]
    unbuilt: list[str]
    error: BaseException | None


def captured_models(path: str | os.PathLike[str], argv: Sequence[str] = ()) -> Captured:
    """Run a script written for Keras, hear nothing of what it prints, skip its training, and return its models.

    Args:
        path: the script.
        argv: its arguments.

    Raises:
        OSError: if the script cannot be read.  What the script itself raises is returned instead.
    """
    with open(path, "rb"):  # before anything is changed: say so now if it cannot be read
        pass
    error: BaseException | None = None
    quiet = contextlib.redirect_stdout(io.StringIO())
    with _recorded_models() as made, _shortened_training(), quiet, _unseen_plots(), _unsaved_pictures():
        try:
            run_script(path, argv)
        except SystemExit as end:
            error = end if end.code not in (None, 0) else None
        except Exception as raised:
            error = raised
    inside = {id(layer) for model in made for layer in _inside(model)}
    outer = [model for model in made if id(model) not in inside]
    return Captured([m for m in outer if m.built], [m.name for m in outer if not m.built], error)


def _inside(model: Layer) -> Iterator[Layer]:
    """The layers at any depth inside a model, without itself."""
    for layer in model.sublayers():
        yield layer
        yield from _inside(layer)


@contextlib.contextmanager
def _recorded_models() -> Iterator[list[Model]]:
    """The models that are made within the block."""
    made: list[Model] = []
    original = Model.__new__

    def recording(cls: type[Model], *args: Any, **kwargs: Any) -> Any:
        model = original(cls, *args, **kwargs)
        if not any(model is other for other in made):
            made.append(model)
        return model

    with _replaced({"__new__": staticmethod(recording)}):
        # A model whose construction failed has no name; it is none.
        yield made
        made[:] = [model for model in made if "_name" in vars(model)]


@contextlib.contextmanager
def _shortened_training() -> Iterator[None]:
    """Within the block models train, evaluate and predict on one sample, and nothing is written or read."""
    methods: dict[str, Any] = {
        "fit": _on_few(Model.fit, _short_fit),
        "evaluate": _on_few(Model.evaluate, _short_evaluate),
        "predict": _on_few(Model.predict, _short_predict),
        "train_on_batch": _on_few(Model.train_on_batch, _short_evaluate),
        "test_on_batch": _on_few(Model.test_on_batch, _short_evaluate),
    }
    methods |= dict.fromkeys(("save", "save_weights", "load_weights"), lambda self, *args, **kwargs: None)
    with _replaced(methods):
        yield


@contextlib.contextmanager
def _replaced(methods: dict[str, Any]) -> Iterator[None]:
    """Within the block `Model` has these methods instead of its own."""
    own = {name: vars(Model)[name] for name in methods if name in vars(Model)}
    for name, method in methods.items():
        setattr(Model, name, method)
    try:
        yield
    finally:
        for name in methods:
            if name in own:
                setattr(Model, name, own[name])
            else:
                delattr(Model, name)


@contextlib.contextmanager
def _unseen_plots() -> Iterator[None]:
    """Within the block matplotlib, if the script loads it, opens no windows."""
    before = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "Agg"
    try:
        yield
    finally:
        if before is None:
            del os.environ["MPLBACKEND"]
        else:
            os.environ["MPLBACKEND"] = before


@contextlib.contextmanager
def _unsaved_pictures() -> Iterator[None]:
    """Within the block pictures of models are drawn and not written."""
    from gatewise.explain.draw.picture import Picture

    save = Picture.save
    Picture.save = lambda self, path: Path(path)
    try:
        yield
    finally:
        Picture.save = save


def _on_few(original: Callable[..., Any], shortened: Callable[..., Any]) -> Callable[..., Any]:
    """A method that hands its arguments, by name, to `shortened(original, model, arguments)`."""
    signature = inspect.signature(original)

    def method(self: Model, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        given = dict(bound.arguments)
        given.pop("self")
        for name, parameter in signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                given |= given.pop(name, {})
        return shortened(original, self, given)

    return method


def _short_fit(original: Callable[..., Any], model: Model, given: dict[str, Any]) -> Any:
    """One step on one sample; the history repeats its numbers for each epoch that was asked for."""
    epochs = given.get("epochs", given.get("nb_epoch", 1)) - given.get("initial_epoch", 0)
    few = {name: given[name] for name in ("x", "y") if name in given}
    short = _few(model, few) | {"epochs": 1, "verbose": 0}
    if is_iterable_of_batches(few.get("x")):
        short |= {"steps_per_epoch": 1}
    if given.get("validation_data") is not None:
        held = given["validation_data"]
        short["validation_data"] = (
            held if is_iterable_of_batches(held) else tuple(_cut(part, _size(model)) for part in held[:2])
        )
        short["validation_steps"] = 1 if is_iterable_of_batches(held) else None
    elif given.get("validation_split"):
        short["validation_data"] = (short["x"], short["y"])
    history = original(model, **short)
    history.epoch = list(range(epochs))
    history.history = {name: values * epochs for name, values in history.history.items()}
    return history


def _short_evaluate(original: Callable[..., Any], model: Model, given: dict[str, Any]) -> Any:
    """The same on one sample, without weights, callbacks and output."""
    short = {name: given[name] for name in ("x", "y", "return_dict") if name in given}
    if "verbose" in inspect.signature(original).parameters:
        short["verbose"] = 0
        if is_iterable_of_batches(short.get("x")):
            short["steps"] = 1
    return original(model, **_few(model, short))


def _short_predict(original: Callable[..., Any], model: Model, given: dict[str, Any]) -> Any:
    """The prediction for one sample, repeated for all of them."""
    if is_iterable_of_batches(given["x"]):
        return original(model, given["x"], verbose=0, steps=1)
    n_samples = len(next(_arrays(given["x"])))
    y = original(model, _cut(given["x"], _size(model)), verbose=0)

    def repeated(array: np.ndarray) -> np.ndarray:
        return np.resize(array, (n_samples, *array.shape[1:]))

    return tree.map_leaves(repeated, y)


def _size(model: Model) -> int:
    """How many samples are enough: one, or the batch size that the model fixes."""
    return model._fixed_batch_size() or 1


def _few(model: Model, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments with x and y cut to a few samples."""
    if is_iterable_of_batches(given.get("x")):
        return dict(given)
    return {name: _cut(value, _size(model)) if name in ("x", "y") else value for name, value in given.items()}


def _arrays(data: Any) -> Iterator[Any]:
    """The arrays in what a method of a model is given as x or y."""
    if isinstance(data, dict):
        yield from data.values()
    elif isinstance(data, list | tuple) and all(hasattr(item, "shape") for item in data):
        yield from data
    else:
        yield data


def _cut(data: Any, n: int) -> Any:
    """The first n samples of what a method of a model is given as x or y."""
    if data is None:
        return None
    if isinstance(data, dict):
        return {name: _cut(value, n) for name, value in data.items()}
    if isinstance(data, list | tuple) and all(hasattr(item, "shape") for item in data):
        return [_cut(item, n) for item in data]
    return np.asarray(data)[:n]
