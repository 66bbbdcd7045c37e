"""Modules that stand for Keras's and TensorFlow's, and the finder that makes `import` find them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from opcode import opmap
from types import CodeType, FrameType, ModuleType
from typing import Any

from gatewise import suggest
from gatewise.compat.names import ROOTS, is_old_path, sources_of, submodules_of

_IMPORT_FROM = opmap["IMPORT_FROM"]
_OWN_FILES = (__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", importlib.__file__)


class AnsweredModule(ModuleType):
    """A module of Keras or TensorFlow whose names are found in gatewise when they are first asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [known for known in known_names(self.__name__) if known not in submodules_of(self.__name__)]
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name in submodules_of(self.__name__) and name not in single_names(self.__name__):
            return importlib.import_module(f"{self.__name__}.{name}")
        found = look_up(self.__name__, name)
        if found is _ABSENT:
            raise _missing(self.__name__, name, sys._getframe(1))
        setattr(self, name, found)
        return found

    def __dir__(self) -> list[str]:
        return known_names(self.__name__)


_MOST_NAMES_SHOWN = 40
_ABSENT = object()


def single_names(module: str) -> dict[str, str]:
    """The names that the table gives one by one: name -> "module:attribute"."""
    found = {}
    for source in sources_of(module) or ():
        place, colon, names = source.partition(":")
        if colon:
            ours, _, theirs = names.partition(" as ")
            found[theirs or ours] = f"{place}:{ours}"
    return found


def look_up(module: str, name: str) -> Any:
    """What answers a name of an answered module; `_ABSENT` if nothing does."""
    single = single_names(module).get(name)
    if single is not None:
        place, _, attribute = single.partition(":")
        return getattr(importlib.import_module(place), attribute)
    for source in sources_of(module) or ():
        if ":" not in source and name in _public_names(source):
            return getattr(importlib.import_module(source), name)
    return _ABSENT


def known_names(module: str) -> list[str]:
    """Every name that an answered module has, its submodules included."""
    names = {*single_names(module), *submodules_of(module)}
    for source in sources_of(module) or ():
        if ":" not in source:
            names |= _public_names(source)
    return sorted(names)


def _public_names(source: str) -> set[str]:
    """The public names of a module of gatewise: its `__all__`, or what it defines itself."""
    module = importlib.import_module(source)
    if hasattr(module, "__all__"):
        names = set(module.__all__)
    else:
        names = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and not isinstance(value, ModuleType)
            and getattr(value, "__module__", source) == source
        }
    return {name for name in names if not name.startswith("_")} | _numpy_names(source)


def _numpy_names(source: str) -> set[str]:
    """gatewise.ops also answers for NumPy's functions, which it makes when they are asked for."""
    if source != "gatewise.ops":
        return set()
    import numpy as np

    return {
        n
        for n in dir(np)
        if not n.startswith("_") and callable(getattr(np, n)) and not isinstance(getattr(np, n), type)
    }


def _missing(module: str, name: str, caller: FrameType) -> Exception:
    """The error for a name that nothing answers: what, where it was asked for, and what is nearest."""
    where = _place(caller)
    known = _current(module, known_names(module))
    like = suggest.nearest(name, known)
    alike = sorted(other for other in known if other[:1].isupper() == name[:1].isupper())  # classes, or functions
    hint = (
        f" The nearest that exists is {module}.{like}."
        if like
        else f" There are: {', '.join(alike[:_MOST_NAMES_SHOWN])}." * bool(alike)
    )
    if "gatewise.backend" in (sources_of(module) or ()):
        from gatewise.backend import INSTEAD

        hint = f" {INSTEAD[name][0].upper()}{INSTEAD[name][1:]}." if name in INSTEAD else hint
    text = f"{module!r} is answered by gatewise here, which has no {name!r} (asked for in {where}).{hint}"
    if _is_from_import(caller):
        return ImportError(text, name=module)
    return AttributeError(text)


def _current(module: str, names: Iterable[str]) -> list[str]:
    """Of the names in a module those that one would write today."""
    return [name for name in names if not is_old_path(f"{module}.{name}")]


def _is_from_import(frame: FrameType) -> bool:
    """True if the frame is at a `from module import name`: there Python would hide an AttributeError's text."""
    code: CodeType = frame.f_code
    return frame.f_lasti >= 0 and code.co_code[frame.f_lasti] == _IMPORT_FROM


def _place(frame: FrameType | None) -> str:
    """File and line of the nearest frame outside the import system and this module."""
    while frame is not None and frame.f_code.co_filename in _OWN_FILES:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame is not None else "an unknown place"


class AnsweringFinder(MetaPathFinder, Loader):
    """Finds the answered modules before anything that is installed, and refuses their unknown submodules."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        parent, _, last = fullname.rpartition(".")
        if fullname.split(".")[0] not in ROOTS:
            return None
        if sources_of(fullname) is None:
            if look_up(parent, last) is not _ABSENT or last in ("__path__", "__all__"):
                return None  # a name, not a module: Python goes on to say so itself
            where = _place(sys._getframe(1))
            like = suggest.nearest(last, _current(parent, submodules_of(parent)))
            hint = f" The nearest that exists is {parent}.{like}." if like else ""
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {parent!r} is answered by gatewise here, which has none of that name "
                f"(asked for in {where}).{hint}",
                name=fullname,
            )
        return ModuleSpec(fullname, self, origin="gatewise", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return AnsweredModule(spec.name, f"Keras's and TensorFlow's {spec.name}, answered by gatewise.")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs: names are found when they are asked for."""
