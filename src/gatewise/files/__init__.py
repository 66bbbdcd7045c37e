"""Models and weights in files.  The ending of the name says which format: `.keras` (all), `.weights.h5` (weights)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gatewise.files import hdf5, keras_archive
from gatewise.files.atomic import atomic_write
from gatewise.files.sealed import Sealing, unsealed

_MODEL_ENDINGS = (".keras",)
_WEIGHTS_ENDINGS = (".weights.h5",)


def save_model(model: Any, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
    """Write a model to one file: structure, weights, compile arguments and the optimizer's state.

    Args:
        model: the model.
        filepath: ends in `.keras`.
        overwrite: whether the file may exist already.

    Raises:
        FileExistsError: if it exists and overwrite is False.
        ValueError: for another ending, or a model that is not built.
    """
    if kwargs:
        raise TypeError(f"save() has no argument {', '.join(map(repr, kwargs))}.")
    path = _path(filepath, _MODEL_ENDINGS, "a model")
    _require_built(model, "saved")
    with atomic_write(path, overwrite) as file:
        keras_archive.write_archive(model, file)


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model of a file, with its weights and, if it was compiled, ready to train on.

    Args:
        filepath: ends in `.keras`.
        custom_objects: the user's classes and functions by name.
        compile: whether to compile the model as it was.
        safe_mode: accepted; code in a file is never run, whatever this says.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that is damaged, of another kind, holds code, or names unknown classes.
    """
    path = _existing(_path(filepath, _MODEL_ENDINGS, "a model"))
    return keras_archive.read_archive(path, custom_objects, compile)


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights, and the optimizer's state if there is one, to a `.weights.h5` file.

    Raises:
        FileExistsError: if it exists and overwrite is False.
        ValueError: for another ending, or a model that is not built.
    """
    path = _path(filepath, _WEIGHTS_ENDINGS, "weights")
    _require_built(model, "saved")
    with atomic_write(path, overwrite) as file:
        sealing = Sealing(file)
        hdf5.write_weights(model, sealing)
        sealing.seal()


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Give a model the weights of a `.weights.h5` or `.keras` file that a model of the same structure wrote.

    Args:
        model: a built model.
        filepath: the file.
        skip_mismatch: leave layers alone, with a warning, for which the file holds nothing that fits.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not fit the model (no weight is changed then), or is damaged.
    """
    if kwargs:
        raise TypeError(f"load_weights() has no argument {', '.join(map(repr, kwargs))}.")
    path = _existing(_path(filepath, (*_WEIGHTS_ENDINGS, *_MODEL_ENDINGS), "weights"))
    _require_built(model, "given weights")
    archived = path.name.endswith(_MODEL_ENDINGS)
    content = keras_archive.read_archived_weights(path) if archived else unsealed(path.read_bytes(), str(path))
    hdf5.read_weights(model, content, str(path), skip_mismatch)


def check_name(filepath: Any, weights_only: bool = False) -> None:
    """Raise ValueError unless a model, or its weights, can be written under such a name."""
    if weights_only:
        _path(filepath, _WEIGHTS_ENDINGS, "weights")
    else:
        _path(filepath, _MODEL_ENDINGS, "a model")


def _path(filepath: Any, endings: tuple[str, ...], what: str) -> Path:
    path = Path(os.fspath(filepath))
    if not path.name.endswith(endings):
        raise ValueError(f"A file of {what} ends in {' or '.join(endings)}; got '{filepath}'.")
    return path


def _existing(path: Path) -> Path:
    if not path.is_file():
        kind = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"The file {path} {kind}.")
    return path


def _require_built(model: Any, what: str) -> None:
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' is not built, so it has no weights to be {what}: call it on data, give it an Input, "
            "or write model.build((None, steps, features))."
        )


__all__ = ["check_name", "load_model", "load_weights", "save_model", "save_weights"]
