"""`.keras`: a zip of the structure (config.json), the weights (model.weights.h5) and a few facts (metadata.json)."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gatewise import model_config, serialization
from gatewise.files import hdf5
from gatewise.files.places import places
from gatewise.version import __version__

KERAS_VERSION = "3.15.1"
"""The version of Keras whose format this is."""

_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"
_ASSETS = "assets"
_SHARDS = "model.weights.json"
_MAX_CONFIG_BYTES = 64 << 20
_MAX_RATIO = 200  # of unpacked to packed bytes; weights that compress better are a trap or empty


def write_archive(model: Any, file: IO[bytes]) -> None:
    """Write a model with its weights, compile arguments and optimizer state to a binary file."""
    structure = json.dumps(serialization.serialize_object(model))
    saved = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    facts = {"keras_version": KERAS_VERSION, "date_saved": saved, "written_by": f"gatewise {__version__}"}
    weights = io.BytesIO()
    hdf5.write_weights(model, weights)
    assets = {
        f"{_ASSETS}/{place}/{name}": content
        for place, layer, is_home in places(model)
        if is_home
        for name, content in layer.assets().items()
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_METADATA), json.dumps(facts))
        archive.writestr(zipfile.ZipInfo(_CONFIG), structure)
        archive.writestr(zipfile.ZipInfo(_WEIGHTS), weights.getbuffer())
        for name, content in assets.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def read_archive(path: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """The model of a `.keras` file; nothing is unpacked to disk, and no code of the file is run.

    Raises:
        ValueError: for a file that is not such an archive, is damaged, holds code, or names unknown classes.
    """
    parts = _parts(path, (_CONFIG, _WEIGHTS))
    try:
        config = json.loads(parts[_CONFIG])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its {_CONFIG} is not JSON: {error}") from error
    if not compile and isinstance(config, dict):
        config.pop("compile_config", None)
    try:
        model = model_config.model_from_config(config, custom_objects)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    hdf5.read_weights(model, parts[_WEIGHTS], f"{path} ({_WEIGHTS})")
    _read_assets(model, path)
    return model


def _read_assets(model: Any, path: Path) -> None:
    """Give each layer its files."""
    found: dict[str, dict[str, bytes]] = {}
    with _opened(path) as archive:
        for info in archive.infolist():
            place, _, name = info.filename.removeprefix(f"{_ASSETS}/").rpartition("/")
            if info.filename.startswith(f"{_ASSETS}/") and name:
                _check_size(path, info)
                found.setdefault(place, {})[name] = archive.read(info)
    if not found:
        return
    for place, layer, is_home in places(model):
        if is_home and place in found:
            try:
                layer.take_assets(found[place])
            except ValueError as error:
                raise ValueError(f"{path} ({_ASSETS}/{place}): {error}") from error


def read_archived_weights(path: Path) -> bytes:
    """The weights part of a `.keras` file."""
    return _parts(path, (_WEIGHTS,))[_WEIGHTS]


def _parts(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The named parts of an archive, read into memory."""
    with _opened(path) as archive:
        present = set(archive.namelist())
        for name in names:
            if name not in present:
                sharded = " Weights in several files are not supported." if _SHARDS in present else ""
                raise ValueError(f"{path} is not a .keras file: it has no {name}, only {sorted(present)}.{sharded}")
            _check_size(path, archive.getinfo(name))
        return {name: archive.read(name) for name in names}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; damage that shows while it is read becomes a ValueError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(_what_it_is(path, error)) from error
    except OSError as error:
        if error.filename is not None:  # it cannot be read at all
            raise
        raise ValueError(_what_it_is(path, error)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise ValueError(_what_it_is(path, error)) from error


def _check_size(path: Path, info: zipfile.ZipInfo) -> None:
    """Refuse what would fill the memory: sizes that a small file claims."""
    too_long = info.filename == _CONFIG and info.file_size > _MAX_CONFIG_BYTES
    if too_long or info.file_size > _MAX_RATIO * max(info.compress_size, 1 << 16):
        raise ValueError(
            f"{path}: {info.filename} would unpack from {info.compress_size} to {info.file_size} bytes; it is not read."
        )


def _what_it_is(path: Path, error: Exception) -> str:
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(b"\x89HDF"):
        return f"{path} is an HDF5 file under the name of a .keras archive; name it .weights.h5 if it holds weights."
    if start.startswith(b"PK"):
        return f"{path} is damaged or was not written to its end: {error}"
    return f"{path} is not a .keras file: it is no zip archive."
