"""keras.optimizers.legacy of TensorFlow's Keras 2: the same classes, whose older arguments are understood anyway."""

from gatewise.training.optimizers.adagrad_family import Adadelta, Adagrad, Ftrl
from gatewise.training.optimizers.adam_family import Adamax, Nadam
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.classic import SGD, Adam, RMSprop

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "Optimizer", "RMSprop"]
