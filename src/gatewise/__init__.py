"""gatewise: recurrent networks that show their work.

Keras's recurrent interface on an engine of its own: NumPy arrays outside, C++ kernels inside.  Every public name
loads when it is first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from gatewise.version import __version__

if TYPE_CHECKING:
    from gatewise import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        data,
        explain,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        utils,
    )
    from gatewise.explain import account
    from gatewise.explain.attribution import attribute
    from gatewise.explain.diagnosis import diagnose
    from gatewise.explain.draw.drawing import draw
    from gatewise.explain.memory import memory
    from gatewise.explain.page.explorer import explore
    from gatewise.explain.tracing import trace
    from gatewise.files import load_model
    from gatewise.layer import Layer
    from gatewise.layers import Input
    from gatewise.model import Model
    from gatewise.quantization import quantize
    from gatewise.sequential import Sequential
    from gatewise.training.gradients import value_and_grad
    from gatewise.variable import Variable

_HOMES = {
    "Input": "gatewise.layers",
    "Layer": "gatewise.layer",
    "Model": "gatewise.model",
    "Sequential": "gatewise.sequential",
    "Variable": "gatewise.variable",
    "account": "gatewise.explain",
    "attribute": "gatewise.explain.attribution",
    "diagnose": "gatewise.explain.diagnosis",
    "draw": "gatewise.explain.draw.drawing",
    "explore": "gatewise.explain.page.explorer",
    "load_model": "gatewise.files",
    "memory": "gatewise.explain.memory",
    "quantize": "gatewise.quantization",
    "trace": "gatewise.explain.tracing",
    "value_and_grad": "gatewise.training.gradients",
}
"""Where the public names are that are not modules."""

__all__ = [
    "Input", "Layer", "Model", "Sequential", "Variable", "__version__", "account", "activations", "attribute",
    "backend", "callbacks", "config", "constraints", "data", "diagnose", "draw", "explain", "explore", "initializers",
    "layers", "load_model", "losses", "memory", "metrics", "models", "ops", "optimizers", "preprocessing", "quantize",
    "random", "regularizers", "saving", "trace", "utils", "value_and_grad",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in __all__:
        value = importlib.import_module(f"gatewise.{name}")
    else:
        # With `name` and `obj` the interpreter adds the nearest name that exists.
        raise AttributeError(f"module 'gatewise' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
