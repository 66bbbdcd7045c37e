"""gatewise: recurrent networks that show their work.

Keras's recurrent interface on an engine of its own: NumPy arrays outside, C++ kernels inside.  Importing it loads
NumPy and its own modules; everything heavier loads when it is first used.
"""

from gatewise import activations, config, constraints, initializers, layers, ops, random, regularizers
from gatewise.layer import Layer
from gatewise.layers import Input
from gatewise.model import Model
from gatewise.sequential import Sequential
from gatewise.training import callbacks, losses, metrics, optimizers
from gatewise.variable import Variable
from gatewise.version import __version__

__all__ = [
    "Input", "Layer", "Model", "Sequential", "Variable", "__version__", "activations", "callbacks", "config",
    "constraints", "initializers", "layers", "losses", "metrics", "ops", "optimizers",
    "random", "regularizers",
]  # fmt: skip
